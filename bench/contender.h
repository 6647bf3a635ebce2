// What the C contenders of bench/languages.py share: files of raw numbers, a clock, and
// the answers to the lines that bench/rounds.py writes to their standard input.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct contender {
    void *state;
    void (*update)(void *state); // one step on the first mini-batch of the data
    void (*epoch)(void *state); // all mini-batches once, in an order of its own
    void (*save)(void *state, FILE *file); // parameters as in start.f32
};

static _Noreturn void stop(const char *what, const char *name) {
    fprintf(stderr, "%s %s\n", what, name);
    exit(2);
}

// Zeroed memory at a multiple of 64, as vectors like it.
static void *memory(size_t bytes) {
    const size_t whole = (bytes + 63) / 64 * 64;
    void *found = aligned_alloc(64, whole);
    if (found == NULL)
        stop("no memory for", "the data");
    return memset(found, 0, whole);
}

// The bytes of a file, which must have as many.
static void *contents(const char *folder, const char *name, size_t bytes) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    void *found = memory(bytes);
    if (file == NULL || fread(found, 1, bytes, file) != bytes || getc(file) != EOF)
        stop("cannot read", path);
    fclose(file);
    return found;
}

static double now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// Obey "update", "epoch" and "save FILE"; answer each with the seconds it took,
// and with those for which it had a core.
static int serve(const struct contender *contender) {
    char line[4096];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const double start = now(CLOCK_MONOTONIC);
        const double had = now(CLOCK_PROCESS_CPUTIME_ID);
        if (strcmp(line, "update") == 0) {
            contender->update(contender->state);
        } else if (strcmp(line, "epoch") == 0) {
            contender->epoch(contender->state);
        } else {
            FILE *file = strncmp(line, "save ", 5) == 0 ? fopen(line + 5, "wb") : NULL;
            if (file == NULL)
                stop("cannot obey", line);
            contender->save(contender->state, file);
            if (fclose(file) != 0)
                stop("cannot write", line + 5);
        }
        printf("%.9f %.9f\n", now(CLOCK_MONOTONIC) - start,
                now(CLOCK_PROCESS_CPUTIME_ID) - had);
        fflush(stdout);
    }
    return 0;
}
