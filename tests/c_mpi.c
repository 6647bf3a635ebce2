// The main of a test: trains on made-up data and prints the parameters. It is appended
// to a library, of one process or, with -DSHARED, of the ranks of an MPI job.
#include <stdio.h>
#include <stdlib.h>

static bool note(void *context, const struct network *net, const struct record *record) {
    double *const last = context;
    (void)net;
    *last = record->measured[TRAINING_DATA].cost;
    return true;
}

int main(int count, char **words) {
    enum { N = 11 };
    static real x[N * N1], y[N * 3], values[N1 * 32];
    static const char *const names[] = {"w2", "b2", "w3", "b3"};
    static const size_t sizes[] = {N1 * N2, N2, N2 * N3, N3};
    double cost = 0;
    int rank = 0;
#ifdef SHARED
    MPI_Init(&count, &words);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
#else
    (void)count, (void)words;
#endif
    for (size_t i = 0; i < N * N1; i++)
        x[i] = (real)(i * i % 7) - 3 + (real)(i / 9);
    for (size_t i = 0; i < N * 3; i++)
        y[i] = (real)(i * i % 5) / 5;
    struct network *const net = aligned_alloc(64, network_size());
    struct training training = {
        .x = {x, FLOAT64, N, N1, 2},
        .y = {y, FLOAT64, N, N3, 2},
        .epochs = 4,
        .monitor = {[TRAINING_DATA] = COST},
        .report = note,
        .context = &cost,
        .memory = malloc(network_train_memory(N)),
    };
    network_init(net, 3);
    const bool done = network_train(net, &training) &&
            network_update_mini_batch(net, 7, x, y, N);
    for (size_t k = 0; rank == 0 && k < 4; k++) {
        network_get(net, names[k], values);
        for (size_t e = 0; e < sizes[k]; e++)
            printf("%a ", (double)values[e]);
    }
    if (rank == 0)
        printf("%a\n", cost);
    free(training.memory);
    free(net);
#ifdef SHARED
    MPI_Finalize();
#endif
    return !done;
}
