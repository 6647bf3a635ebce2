// FANN as a contender: cc bench/fann.c -lfann -lm
// Run as: fann FOLDER EXAMPLES MINI_BATCH_SIZE RATE N1 N2 ...
//
// FANN trains by single examples or by the whole of its data. Mini-batches are therefore
// data of their own, whose rows are pointers into the one copy, in a shuffled order:
// nothing is gathered. FANN_TRAIN_BATCH divides the rate by the length of its data, so a
// step is the book's; sigmoids of steepness 1/2 are the book's σ, and with the linear
// error function the errors are those of the quadratic cost, the only one it has.
#define _POSIX_C_SOURCE 200809L
#include <floatfann.h>

#include "contender.h"

struct trainer {
    struct fann *net;
    struct fann_train_data *batch;
    float *x, *y;
    unsigned *order;
    unsigned n, m;
};

// One step on the m examples that the order names from k on.
static void step(struct trainer *trainer, unsigned k) {
    struct fann_train_data *batch = trainer->batch;
    for (unsigned i = 0; i < trainer->m; i++) {
        batch->input[i] = trainer->x + (size_t)trainer->order[k + i] * batch->num_input;
        batch->output[i] =
                trainer->y + (size_t)trainer->order[k + i] * batch->num_output;
    }
    fann_train_epoch(trainer->net, batch);
}

static void update_once(void *state) {
    step(state, 0);
}

static void train_epoch(void *state) {
    struct trainer *trainer = state;
    for (unsigned i = trainer->n - 1; i > 0; i--) {
        const unsigned k = (unsigned)rand() % (i + 1), held = trainer->order[i];
        trainer->order[i] = trainer->order[k];
        trainer->order[k] = held;
    }
    for (unsigned k = 0; k + trainer->m <= trainer->n; k += trainer->m)
        step(trainer, k);
}

// FANN keeps a neuron's weights together, its bias after them; start.f32 has all weights
// of a layer, then its biases. Copies the one way or the other.
static void copy_parameters(struct fann *net, float *book, int to_book) {
    float *weights = net->weights;
    const unsigned layers = fann_get_num_layers(net);
    unsigned sizes[64];
    fann_get_layer_array(net, sizes);
    for (unsigned l = 1; l < layers; l++) {
        float *biases = book + (size_t)sizes[l] * sizes[l - 1];
        for (unsigned j = 0; j < sizes[l]; j++, weights += sizes[l - 1] + 1) {
            const size_t bytes = sizes[l - 1] * sizeof *book;
            if (to_book) {
                memcpy(book + (size_t)j * sizes[l - 1], weights, bytes);
                biases[j] = weights[sizes[l - 1]];
            } else {
                memcpy(weights, book + (size_t)j * sizes[l - 1], bytes);
                weights[sizes[l - 1]] = biases[j];
            }
        }
        book = biases + sizes[l];
    }
}

static void save(void *state, FILE *file) {
    struct trainer *trainer = state;
    const size_t n = fann_get_total_connections(trainer->net);
    float *book = memory(n * sizeof *book);
    copy_parameters(trainer->net, book, 1);
    fwrite(book, sizeof *book, n, file);
    free(book);
}

static struct fann *network(const char *folder, unsigned layers, char **numbers) {
    unsigned sizes[64];
    for (unsigned l = 0; l < layers; l++)
        sizes[l] = (unsigned)strtoul(numbers[l], NULL, 10);
    struct fann *net = fann_create_standard_array(layers, sizes);
    if (net == NULL)
        stop("no memory for", "the network");
    fann_set_activation_function_hidden(net, FANN_SIGMOID);
    fann_set_activation_function_output(net, FANN_SIGMOID);
    fann_set_activation_steepness_hidden(net, 0.5f);
    fann_set_activation_steepness_output(net, 0.5f);
    fann_set_train_error_function(net, FANN_ERRORFUNC_LINEAR);
    fann_set_training_algorithm(net, FANN_TRAIN_BATCH);
    const size_t bytes = fann_get_total_connections(net) * sizeof(float);
    float *start = contents(folder, "start.f32", bytes);
    copy_parameters(net, start, 0);
    free(start);
    return net;
}

int main(int argc, char **argv) {
    if (argc < 7 || argc > 5 + 64)
        stop("usage:", "fann FOLDER EXAMPLES MINI_BATCH_SIZE RATE N1 N2 ...");
    struct trainer trainer = {.n = (unsigned)strtoul(argv[2], NULL, 10),
            .m = (unsigned)strtoul(argv[3], NULL, 10)};
    trainer.net = network(argv[1], (unsigned)argc - 5, argv + 5);
    fann_set_learning_rate(trainer.net, strtof(argv[4], NULL));
    const unsigned inputs = fann_get_num_input(trainer.net);
    const unsigned outputs = fann_get_num_output(trainer.net);
    trainer.batch = fann_create_train(trainer.m, inputs, outputs);
    trainer.order = memory(trainer.n * sizeof *trainer.order);
    for (unsigned i = 0; i < trainer.n; i++)
        trainer.order[i] = i;
    trainer.x = contents(argv[1], "x.f32", sizeof(float) * trainer.n * inputs);
    trainer.y = memory(sizeof(float) * trainer.n * outputs);
    const unsigned char *labels = contents(argv[1], "labels.u8", trainer.n);
    for (unsigned i = 0; i < trainer.n; i++)
        trainer.y[(size_t)i * outputs + labels[i]] = 1;
    return serve(&(struct contender){&trainer, update_once, train_epoch, save});
}
