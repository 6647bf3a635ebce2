// The products of a generated network beside naive double loops; appended to its text.
// SGD or ANY says which of its two ways to update it has. A line for what differs.
#include <stdio.h>
#include <stdlib.h>

#define MOST ((size_t)26215)
#define MOST_BATCH ((size_t)MINI_BATCH_SIZE)
#define MARK 12345 // where nothing may be written

static double w_[MOST * 10], b_[MOST], a_[MOST_BATCH][MOST], d_[MOST_BATCH][MOST];
static double worst;
static const char *worst_of = "nothing";

static double draw(void) {
    return (double)(real)((double)rand() / RAND_MAX - 0.5);
}

// The difference beside what rounding comes to: one rounding, and of a sum of products of
// draws, which grow like the root of the terms, as many as there are terms.
static void same(const char *what, real got, double expected, size_t terms) {
    const double unit = sizeof(real) == sizeof(float) ? FLT_EPSILON : DBL_EPSILON;
    const double rounding = unit * (1 + (double)terms / 50);
    const double difference = fabs((double)got - expected) / rounding;
    if (!(difference <= worst)) { // nor NaN
        worst = difference;
        worst_of = what;
    }
}

static double descent(size_t m, size_t k, size_t j) {
    double sum = 0;
    for (size_t i = 0; i < m; i++)
        sum += d_[i][j] * a_[i][k];
    return sum;
}

// inputs and neurons are constants where a product is called, as in a network.
#define CHECK(INPUTS, NEURONS)                                                           \
    static void check_##INPUTS##_##NEURONS(size_t m) {                                   \
        enum { K = INPUTS, J = NEURONS, PK = PAD(K), PJ = PAD(J), LD = LDW(K, J) };      \
        static ALIGNED real w[SIZE_W(K, J)], b[PJ], nabla_w[SIZE_W(K, J)], nabla_b[PJ];\
        static ALIGNED real a[MOST_BATCH * PK], d[MOST_BATCH * PJ];                      \
        static ALIGNED real z[MOST_BATCH * PJ], g[MOST_BATCH * PK];                      \
        fill(m, K, J, LD, PK, PJ, w, b, a, d);                                           \
        for (size_t i = 0; i < MOST_BATCH * PJ; i++)                                     \
            z[i] = MARK;                                                                 \
        for (size_t i = 0; i < MOST_BATCH * PK; i++)                                     \
            g[i] = MARK;                                                                 \
        weighted_input(m, K, J, w, b, a, z);                                             \
        error_below(m, K, J, w, d, g);                                                   \
        forward_and_back(m, K, J, PK, PJ, z, g);                                         \
        descend(m, K, J, d, a, w, b, nabla_w, nabla_b);                                  \
        for (size_t k = 0; k < K; k++)                                                   \
            for (size_t j = 0; j < LD; j++) {                                            \
                const double sum = j < J ? descent(m, k, j) : 0;                         \
                const double start = j < J ? w_[k * J + j] : 0;                               \
                same("w", w[k * LD + j], KEEP * start - RATE * sum, m);                  \
                if (WITH_GRADIENT)                                                       \
                    same("nabla_w", nabla_w[k * LD + j], sum, m);                        \
            }                                                                            \
        for (size_t j = 0; j < PJ; j++) {                                                \
            double sum = 0;                                                              \
            for (size_t i = 0; i < m && j < J; i++)                                      \
                sum += d_[i][j];                                                         \
            same("b", b[j], (j < J ? b_[j] : 0) - RATE * sum, m);                        \
            if (WITH_GRADIENT)                                                           \
                same("nabla_b", nabla_b[j], sum, m);                                     \
        }                                                                                \
    }

#define KEEP 0.75
#define RATE 0.5
#ifdef SGD
#define WITH_GRADIENT 0
#define descend(m, k, j, d, a, w, b, nabla_w, nabla_b)                                   \
    descend_weights(m, k, j, (real)KEEP, (real)RATE, d, a, w);                           \
    descend_biases(m, j, (real)RATE, d, b);                                              \
    (void)nabla_w, (void)nabla_b
#else // by panels of which the last is a short one
#define WITH_GRADIENT 1
#define descend(m, k, j, d, a, w, b, nabla_w, nabla_b)                                   \
    descend_weights(m, k, j, (real)KEEP, (real)RATE, d, a, w);                           \
    descend_biases(m, j, (real)RATE, d, b);                                              \
    for (size_t first = 0; first < k; first += PANEL) {                                  \
        const size_t end = first + PANEL < k ? first + PANEL : k;                        \
        weight_gradient(m, k, j, first, end, d, a, nabla_w + first * LDW(k, j));         \
    }                                                                                    \
    bias_gradient(m, j, d, nabla_b)
#endif

// Padding is 0 but in activations, where it is NaN and must not spread.
static void fill(size_t m, size_t inputs, size_t neurons, size_t ld, size_t pk, size_t pj,
                 real *w, real *b, real *a, real *d) {
    for (size_t k = 0; k < inputs; k++)
        for (size_t j = 0; j < ld; j++)
            w[k * ld + j] = j < neurons ? (real)(w_[k * neurons + j] = draw()) : 0;
    for (size_t j = 0; j < pj; j++)
        b[j] = j < neurons ? (real)(b_[j] = draw()) : 0;
    for (size_t i = 0; i < m; i++) {
        for (size_t k = 0; k < pk; k++)
            a[i * pk + k] = k < inputs ? (real)(a_[i][k] = draw()) : (real)NAN;
        for (size_t j = 0; j < pj; j++)
            d[i * pj + j] = j < neurons ? (real)(d_[i][j] = draw()) : 0;
    }
}

static void forward_and_back(size_t m, size_t inputs, size_t neurons, size_t pk, size_t pj,
                             const real *z, const real *g) {
    for (size_t i = 0; i < MOST_BATCH; i++) {
        for (size_t j = 0; j < (i < m ? neurons : pj); j++) {
            double sum = i < m ? b_[j] : MARK;
            for (size_t k = 0; k < inputs && i < m; k++)
                sum += a_[i][k] * w_[k * neurons + j];
            same("z", z[i * pj + j], sum, inputs);
        }
        for (size_t k = 0; k < pk; k++) {
            double sum = i < m && k < inputs ? 0 : MARK;
            for (size_t j = 0; j < neurons && sum != MARK; j++)
                sum += d_[i][j] * w_[k * neurons + j];
            same("g", g[i * pk + k], sum, neurons);
        }
    }
}

CHECK(1, 1)
CHECK(13, 17)
CHECK(64, 30)
CHECK(30, 300)
CHECK(26215, 10) // so large that its rows are not padded

// Prints the sums' bits too, which threads must not change.
int main(void) {
    uint64_t bits = 0;
    volatile size_t sizes[] = {MINI_BATCH_SIZE, (MINI_BATCH_SIZE + 1) / 2, 1};
    for (size_t i = 0; i < 3; i++) {
        check_1_1(sizes[i]);
        check_13_17(sizes[i]);
        check_64_30(sizes[i]);
        check_30_300(sizes[i]);
        check_26215_10(sizes[i]);
    }
    memcpy(&bits, &worst, sizeof bits);
    printf("%s %g %llx\n", worst_of, worst, (unsigned long long)bits);
    return !(worst < 8);
}
