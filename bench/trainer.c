// A generated C trainer as a contender: cc -I FOLDER -DBPC_NO_MAIN bench/trainer.c -lm,
// where FOLDER/model.c is what the compiler made. Run as: trainer FOLDER EXAMPLES
//
// What it calls is public, but it includes the file for the table of its parameters;
// hence names that the file does not have.
#define _POSIX_C_SOURCE 200809L
#include "model.c"

#include "contender.h"

struct bench_trainer {
    struct network *net;
    struct training training;
};

static void bench_update(void *state) {
    struct bench_trainer *trainer = state;
    const struct array *x = &trainer->training.x;
    const uint8_t *labels = trainer->training.y.values;
    int64_t classes[MINI_BATCH_SIZE];
    for (size_t i = 0; i < MINI_BATCH_SIZE; i++)
        classes[i] = labels[i];
    const size_t outputs = PARAMETERS[sizeof PARAMETERS / sizeof *PARAMETERS - 1].rows;
    real *y = memory(MINI_BATCH_SIZE * outputs * sizeof *y);
#ifdef BENCH_ONE_OUTPUT
    for (size_t i = 0; i < MINI_BATCH_SIZE; i++)
        y[i] = (real)classes[i];
#else
    network_one_hot(MINI_BATCH_SIZE, classes, y);
#endif
    network_update_mini_batch(trainer->net, MINI_BATCH_SIZE, x->values, y, x->rows);
    free(y);
}

static void bench_epoch(void *state) {
    struct bench_trainer *trainer = state;
    network_train(trainer->net, &trainer->training);
}

static void bench_save(void *state, FILE *file) {
    struct bench_trainer *trainer = state;
    for (size_t p = 0; p < sizeof PARAMETERS / sizeof *PARAMETERS; p++) {
        const size_t n = PARAMETERS[p].rows * PARAMETERS[p].columns;
        real *values = memory(n * sizeof *values);
        network_get(trainer->net, PARAMETERS[p].name, values);
        fwrite(values, sizeof *values, n, file);
        free(values);
    }
}

// The parameters of start.f32, one after another.
static void bench_start(struct network *net, const char *folder) {
    size_t n = 0;
    for (size_t p = 0; p < sizeof PARAMETERS / sizeof *PARAMETERS; p++)
        n += PARAMETERS[p].rows * PARAMETERS[p].columns;
    real *start = contents(folder, "start.f32", n * sizeof *start);
    n = 0;
    for (size_t p = 0; p < sizeof PARAMETERS / sizeof *PARAMETERS; p++) {
        network_set(net, PARAMETERS[p].name, start + n);
        n += PARAMETERS[p].rows * PARAMETERS[p].columns;
    }
    free(start);
}

int main(int argc, char **argv) {
    if (argc != 3)
        stop("usage:", "trainer FOLDER EXAMPLES");
    const size_t n = strtoul(argv[2], NULL, 10);
    struct bench_trainer trainer = {.net = memory(network_size())};
    network_init(trainer.net, SEED);
    bench_start(trainer.net, argv[1]);
    real *x = contents(argv[1], "x.f32", n * N1 * sizeof *x);
    uint8_t *labels = contents(argv[1], "labels.u8", n);
    trainer.training = (struct training){
            .x = {x, FLOAT32, n, N1, 2},
            .y = {labels, UINT8, n, 1, 1},
            .epochs = 1,
            .memory = memory(network_train_memory(n)),
    };
    return serve(&(struct contender){&trainer, bench_update, bench_epoch, bench_save});
}
