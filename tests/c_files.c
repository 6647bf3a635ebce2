// Calls what a generated program does with files, one call for each line of stdin:
//     load F | save F | copy F OUT | refuse KIND F [INPUT] | spoil WHAT
//     csv F TARGET X Y | npz F X Y
//     fail CALL TURN ERROR
// and prints a line for each: 0 or the exit code, and what is said.

static struct network net;

#ifdef WRAPPED
// Of system calls that are to fail: which one, at which turn from now on, and how.
static char failing[16];
static int turn, code;

static int fails(const char *name) {
    if (strcmp(failing, name) || turn-- != 0)
        return 0;
    errno = code;
    return -1;
}

#define WRAP(name, types, ...) \
    int __real_##name types; \
    int __wrap_##name types; \
    int __wrap_##name types { \
        return fails(#name) ? -1 : __real_##name(__VA_ARGS__); \
    }

WRAP(fsync, (int file), file)
WRAP(rename, (const char *from, const char *to), from, to)
WRAP(link, (const char *from, const char *to), from, to)
WRAP(fchmod, (int file, mode_t mode), file, mode)
#endif

static bool copy(const char *from, const char *to, struct failure *failure) {
    struct array array;
    if (!read_array(from, &array, failure))
        return false;
    // rows alone are (n,); an array without columns cannot be written
    size_t columns = array.dimensions == 1 ? 0 : array.columns;
    bool done = array.columns == 0 ||
            write_npy(to, array.values, array.type, array.rows, columns, failure);
    release(&array);
    return done;
}

static bool write_both(const char *const path[2], const struct array array[2],
        struct failure *failure) {
    bool done = true;
    for (int k = 0; done && k < 2; k++) {
        const size_t columns = array[k].dimensions == 1 ? 0 : array[k].columns;
        done = write_npy(path[k], array[k].values, array[k].type, array[k].rows,
                columns, failure);
    }
    return done;
}

static bool read_table(const char *from, const char *target, const char *const to[2],
        struct failure *failure) {
    struct known known = {0};
    struct table table = {.target = target, .labelled = true, .known = &known};
    struct array array[2] = {{0}};
    const bool done = read_csv(from, &table, true, &array[0], &array[1], failure) &&
            write_both(to, array, failure);
    release(&array[0]);
    release(&array[1]);
    free_known(&known);
    return done;
}

static bool read_archive(const char *from, const char *const to[2],
        struct failure *failure) {
    const struct choice *found;
    struct array array[2] = {{0}};
    const bool done =
            read_npz(from, TO_TRAIN, false, &found, &array[0], &array[1], failure) &&
            write_both(to, array, failure);
    release(&array[0]);
    release(&array[1]);
    return done;
}

// Put into the network what no file can hold.
static bool spoil(const char *what) {
    // a variable, for a constant that float cannot hold would be a warning
    const volatile double huge = 1e300;
    real *first = values_of(&net, &PARAMETERS[0]);
    real *last = values_of(&net, &PARAMETERS[ARRAYS - 1]);
    if (strcmp(what, "nan") == 0)
        first[0] = (real)NAN;
    if (strcmp(what, "inf") == 0)
        last[1] = -(real)INFINITY;
    if (strcmp(what, "huge") == 0)
        first[0] = (real)huge;
    if (strcmp(what, "seed") == 0)
        net.seed = (uint64_t)1 << 53;
#ifdef SCALED
    if (strcmp(what, "shift") == 0)
        net.shift[2] = NAN;
    if (strcmp(what, "divisor") == 0)
        net.divisor[1] = 0;
#endif
    return true;
}

static bool called(char *const word[5], struct failure *failure) {
    const char *const inputs[] = {word[3] ? word[3] : "", NULL};
    if (strcmp(word[0], "load") == 0)
        return network_load(&net, word[1], failure);
    if (strcmp(word[0], "save") == 0)
        return network_save(&net, word[1], failure);
    if (strcmp(word[0], "spoil") == 0)
        return spoil(word[1]);
    if (strcmp(word[0], "copy") == 0)
        return copy(word[1], word[2], failure);
    if (strcmp(word[0], "csv") == 0)
        return read_table(word[1], word[2], (const char *const *)word + 3, failure);
    if (strcmp(word[0], "npz") == 0)
        return read_archive(word[1], (const char *const *)word + 2, failure);
#ifdef WRAPPED
    strcpy(failing, word[1]);
    turn = atoi(word[2]);
    code = atoi(word[3]);
    return true;
#else
    return refuse_output(word[2], word[1], inputs, failure);
#endif
}

int main(void) {
    char line[1 << 14];
#ifdef SIGXFSZ
    signal(SIGXFSZ, SIG_IGN);
#endif
    while (fgets(line, sizeof line, stdin)) {
        struct failure failure = {0};
        char *word[5] = {strtok(line, " \n")};
        for (int k = 1; k < 5 && word[k - 1]; k++)
            word[k] = strtok(NULL, " \n");
        if (called(word, &failure))
            printf("0\n");
        else
            printf("%d %s\n", failure.code, failure.text);
        fflush(stdout);
    }
    return 0;
}
