/* The collector: merges the workers' results from the port "results", shows how far the work is, and
 * at the end prints the twenty commonest words.
 *
 *   collector COUNTS SUMMARY
 *
 * All counts go to the file COUNTS, a count and a word on each line, and what happened to the file
 * SUMMARY, for whoever wants to check them. */

#define _POSIX_C_SOURCE 200809L
#include <mailboat.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RESULT_KIND = 1, TOTAL_KIND = 2, END_KIND = 3 };
enum { SHOWN = 20, SHOWN_WIDTH = 60 };
/* No reader sends more pieces: a number beyond this is nonsense. */
#define MOST_PIECES (UINT64_C(1) << 32)

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("collector: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void *grow(void *old, size_t size) {
    void *memory = realloc(old, size);
    if (memory == NULL) fail("out of memory");
    return memory;
}

/* ---- words and their counts: a hash table with open addressing ---- */

struct word {
    uint64_t count; /* 0: a free place */
    char *text;
    uint32_t hash;
    uint16_t length;
};

static struct word *words;
static size_t places, distinct;

static uint32_t hash_of(const unsigned char *text, size_t length) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++) hash = (hash ^ text[i]) * UINT64_C(0x100000001b3);
    return (uint32_t)(hash ^ hash >> 32);
}

static struct word *place_of(struct word *table, size_t size, const void *text, uint16_t length,
                             uint32_t hash) {
    size_t at = hash & (size - 1);
    while (table[at].count != 0 &&
           !(table[at].hash == hash && table[at].length == length &&
             memcmp(table[at].text, text, length) == 0))
        at = (at + 1) & (size - 1);
    return &table[at];
}

static void make_room(void) {
    size_t size = places == 0 ? 1 << 16 : places * 2;
    struct word *table = calloc(size, sizeof *table);
    if (table == NULL) fail("out of memory");
    for (size_t i = 0; i < places; i++)
        if (words[i].count != 0)
            *place_of(table, size, words[i].text, words[i].length, words[i].hash) = words[i];
    free(words);
    words = table;
    places = size;
}

static void add(const unsigned char *text, uint16_t length, uint32_t count) {
    if (distinct * 4 >= places * 3) make_room();
    uint32_t hash = hash_of(text, length);
    struct word *word = place_of(words, places, text, length, hash);
    if (word->count == 0) {
        word->text = grow(NULL, length);
        memcpy(word->text, text, length);
        word->hash = hash;
        word->length = length;
        distinct++;
    }
    word->count += count;
}

/* ---- the pieces whose results were merged: a bit for each number ---- */

static unsigned char *seen;
static uint64_t seen_size, merged;

static int was_seen(uint64_t number) {
    return number / 8 < seen_size && (seen[number / 8] >> number % 8 & 1);
}

static void set_seen(uint64_t number) {
    if (number / 8 >= seen_size) {
        uint64_t size = (number / 8 + 1) * 2;
        seen = grow(seen, size);
        memset(seen + seen_size, 0, size - seen_size);
        seen_size = size;
    }
    seen[number / 8] |= (unsigned char)(1u << number % 8);
    merged++;
}

/* ---- messages ---- */

static uint64_t number_at(const unsigned char *from, int bytes) {
    uint64_t number = 0;
    for (int i = 0; i < bytes; i++) number |= (uint64_t)from[i] << 8 * i;
    return number;
}

static uint64_t bytes, results, redelivered, repeated, duplicated;
static int total_known;
static uint64_t total, total_bytes, files, skipped;

/* A result is looked through to its end before anything of it is merged. */
static void check_result(const unsigned char *body, size_t length) {
    if (length < 24) fail("a result of %zu bytes is too short", length);
    if (number_at(body, 8) >= MOST_PIECES) fail("a result for a piece that cannot be");
    uint64_t entries = number_at(body + 20, 4);
    size_t at = 24;
    for (; entries > 0; entries--) {
        if (length - at < 6) fail("a result ends in the middle of an entry");
        uint64_t count = number_at(body + at, 4), size = number_at(body + at + 4, 2);
        at += 6;
        if (count == 0 || size == 0) fail("a result has an empty entry");
        if (length - at < size) fail("a result ends in the middle of a word");
        at += size;
    }
    if (at != length) fail("a result has %zu bytes too many", length - at);
}

static void take_result(const unsigned char *body, size_t length) {
    check_result(body, length);
    uint64_t number = number_at(body, 8);
    int again = number_at(body + 16, 4) > 0;
    results++;
    if (again) redelivered++;
    if (was_seen(number)) {
        /* Its worker was killed between sending the result and acknowledging the piece; then the
         * piece was flagged. Without the flag it would be a message delivered twice. */
        if (again)
            repeated++;
        else
            duplicated++;
        return;
    }
    set_seen(number);
    bytes += number_at(body + 8, 8);
    uint64_t entries = number_at(body + 20, 4);
    for (size_t at = 24; entries > 0; entries--) {
        uint16_t size = (uint16_t)number_at(body + at + 4, 2);
        add(body + at + 6, size, (uint32_t)number_at(body + at, 4));
        at += 6u + size;
    }
}

static void take_total(const unsigned char *body, size_t length) {
    if (length != 32) fail("the reader's total has %zu bytes instead of 32", length);
    total = number_at(body, 8);
    total_bytes = number_at(body + 8, 8);
    files = number_at(body + 16, 8);
    skipped = number_at(body + 24, 8);
    if (total > MOST_PIECES) fail("the reader's total is more than can be");
    total_known = 1;
}

/* ---- what is shown ---- */

/* On a terminal one line that changes several times a second, else a line now and then. */
static void show_progress(int now) {
    static struct timespec last;
    static int terminal = -1;
    struct timespec time;
    if (terminal < 0) terminal = isatty(STDERR_FILENO);
    clock_gettime(CLOCK_MONOTONIC, &time);
    double passed = (double)(time.tv_sec - last.tv_sec) + (double)(time.tv_nsec - last.tv_nsec) / 1e9;
    if (last.tv_sec == 0) {
        last = time;
        return;
    }
    if (!now && passed < (terminal ? 0.1 : 2.0)) return;
    last = time;
    char of[32] = "";
    if (total_known) snprintf(of, sizeof of, " of %" PRIu64, total);
    fprintf(stderr, "%s%" PRIu64 "%s pieces merged, %.1f MB, %zu different words, %" PRIu64
            " redelivered%s", terminal ? "\r\033[K" : "", merged, of, (double)bytes / 1e6, distinct,
            redelivered, terminal && !now ? "" : "\n");
    fflush(stderr);
}

static int by_count(const void *a, const void *b) {
    const struct word *one = a, *other = b;
    if (one->count != other->count) return one->count < other->count ? 1 : -1;
    size_t shorter = one->length < other->length ? one->length : other->length;
    int order = memcmp(one->text, other->text, shorter);
    return order != 0 ? order : (int)one->length - (int)other->length;
}

static FILE *create(const char *path) {
    FILE *file = fopen(path, "w");
    if (file == NULL) fail("cannot write %s", path);
    return file;
}

static void finish(FILE *file, const char *path) {
    if (ferror(file) || fclose(file) != 0) fail("cannot write %s", path);
}

static void report(const char *counts_path, const char *summary_path) {
    size_t n = 0;
    for (size_t i = 0; i < places; i++)
        if (words[i].count != 0) words[n++] = words[i];
    if (n > 0) qsort(words, n, sizeof *words, by_count);
    FILE *counts = create(counts_path);
    for (size_t i = 0; i < n; i++) {
        fprintf(counts, "%" PRIu64 " ", words[i].count);
        fwrite(words[i].text, 1, words[i].length, counts);
        fputc('\n', counts);
    }
    finish(counts, counts_path);

    if (n == 0) puts("no words");
    for (size_t i = 0; i < n && i < SHOWN; i++) {
        int shown = words[i].length <= SHOWN_WIDTH ? words[i].length : SHOWN_WIDTH;
        printf("%2zu %12" PRIu64 "  %.*s%s\n", i + 1, words[i].count, shown, words[i].text,
               shown < words[i].length ? "..." : "");
    }
    if (fflush(stdout) != 0) fail("cannot write the words");

    /* Numbers below the total that never came are lost; any beyond it were never sent. */
    uint64_t lost = 0, within = 0;
    for (uint64_t number = 0; number < total; number++)
        if (was_seen(number))
            within++;
        else
            lost++;
    FILE *summary = create(summary_path);
    fprintf(summary,
            "pieces %" PRIu64 "\nmerged %" PRIu64 "\nunknown %" PRIu64 "\nbytes %" PRIu64
            "\ntotal_bytes %" PRIu64 "\nresults %" PRIu64 "\nredelivered %" PRIu64
            "\nrepeated %" PRIu64 "\nduplicated %" PRIu64 "\nlost %" PRIu64 "\nfiles %" PRIu64
            "\nskipped %" PRIu64 "\n",
            total, merged, merged - within, bytes, total_bytes, results, redelivered, repeated,
            duplicated, lost, files, skipped);
    finish(summary, summary_path);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fputs("usage: collector COUNTS SUMMARY\n", stderr);
        return 2;
    }
    mb_port *port;
    if (mb_port_open("results", &port) != MB_OK) fail("%s", mb_last_error());
    make_room();
    for (int end = 0; !end;) {
        mb_receipt *receipt;
        mb_header header;
        if (mb_port_take(port, MB_FOREVER, &receipt) != MB_OK) fail("%s", mb_last_error());
        if (mb_receipt_header(receipt, &header) != MB_OK) fail("%s", mb_last_error());
        const unsigned char *body = mb_receipt_data(receipt);
        size_t length = mb_receipt_length(receipt);
        switch (header.kind) {
        case RESULT_KIND: take_result(body, length); break;
        case TOTAL_KIND: take_total(body, length); break;
        case END_KIND: end = 1; break;
        default: fail("a message of unknown kind %" PRIu32, header.kind);
        }
        if (mb_receipt_ack(receipt) != MB_OK) fail("%s", mb_last_error());
        show_progress(end);
    }
    if (!total_known) fail("the end came before the reader's total");
    report(argv[1], argv[2]);
    mb_port_close(port);
    return 0;
}
