// What a second commit under way would gain: one to three threads append to a file whose blocks are all written, each with fdatasync behind its write.
// Tells commits a second and how long each takes. Writes follow one another under a lock, as a log's do; the syncs overlap.
//
//   gcc -O2 -pthread -o commits-under-way bench/ladder/commits-under-way.c && ./commits-under-way FILE BYTES     (FILE takes 200 MB, on the disk in question)

#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MEGA = 1 << 20, FILE_MEGA = 200, ROUNDS = 4, MOST_THREADS = 3, BLOCK = 4096 };

struct counts {
    long commits;
    double microseconds;
};

static int file;
static int bytes;
static off_t position;
static double end;
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static char zeros[MEGA];

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void must(int holds, const char *what) {
    if (holds) return;
    perror(what);
    exit(1);
}

// The last block is written whole, as the node's device does.
static void append(void) {
    int whole = (bytes + BLOCK - 1) / BLOCK * BLOCK;
    pthread_mutex_lock(&writing);
    must(pwrite(file, zeros, whole, position) == whole, "pwrite");
    position += bytes;
    if (position + whole > (off_t)FILE_MEGA * MEGA) position = 0;
    pthread_mutex_unlock(&writing);
}

static void *commit(void *argument) {
    struct counts *counts = argument;
    for (double begun; (begun = now_us()) < end;) {
        append();
        must(fdatasync(file) == 0, "fdatasync");
        counts->microseconds += now_us() - begun;
        counts->commits++;
    }
    return NULL;
}

static void measure(int threads) {
    pthread_t ids[MOST_THREADS];
    struct counts counts[MOST_THREADS] = {0}, all = {0};
    end = now_us() + 1e6;
    for (int i = 0; i < threads; i++) must(pthread_create(&ids[i], NULL, commit, &counts[i]) == 0, "pthread_create");
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        all.commits += counts[i].commits;
        all.microseconds += counts[i].microseconds;
    }
    printf("%d bytes, %d under way: %ld commits/s, %.0f us each\n", bytes, threads, all.commits, all.microseconds / all.commits);
}

int main(int count, char **arguments) {
    bytes = count == 3 ? atoi(arguments[2]) : 0;
    if (bytes < 1 || bytes > MEGA - BLOCK) {
        fprintf(stderr, "usage: commits-under-way FILE BYTES\n");
        return 2;
    }
    file = open(arguments[1], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    must(file >= 0, arguments[1]);
    for (int i = 0; i < FILE_MEGA; i++) must(pwrite(file, zeros, MEGA, (off_t)i * MEGA) == MEGA, "pwrite");
    must(fsync(file) == 0, "fsync");
    for (int round = 0; round < ROUNDS; round++)
        for (int threads = 1; threads <= MOST_THREADS; threads++) measure(threads);
    return 0;
}
