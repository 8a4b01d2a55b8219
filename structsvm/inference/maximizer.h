/* A maximizer: all that the library needs to know of a family of structures.
 *
 * Example i has n_parts[i] parts, places of a vector of scores theta. An output of it is written as a
 * row of n_labels[i] labels and uses some of the parts, part p mu_p times; its score is
 * <theta, mu>. A maximizer finds the output of the greatest score. It knows no weights, no features
 * and no losses.
 *
 * The families of this package fill this struct, and so may code from elsewhere: C, Cython, ctypes,
 * cffi, numba. `ForeignMaximizer` takes its address.
 *
 * For all calls:
 *
 *   requires   0 <= i < n_examples; arrays as long as said, which do not overlap
 *   ensures    nothing is written outside of the arrays marked OUT and SCRATCH, nothing is kept
 *              after the call, and the answer depends, but for ties, on the arguments alone
 *   on error   returns non-zero; with the GIL a Python exception may be set, which then is raised
 *   threads    calls with different `thread` may run at the same time. They come without the GIL,
 *              with 0 <= thread < the number last given to `reserve` */
#ifndef SSVM_MAXIMIZER_H
#define SSVM_MAXIMIZER_H

#include <stdint.h>

enum {
    SSVM_MAXIMIZER_VERSION = 1,
    SSVM_VOID = -1 /* of a true label: nothing is said about it, nor about parts that touch it */
};

/* How often parts are used, sparsely: parts[k] counts[k] times, for k < size. What is left out is
 * zero; a part that comes twice counts as their sum. */
typedef struct {
    int32_t *parts;
    double *counts;
    int64_t size;     /* entries are written from here on, and this is raised */
    int64_t capacity; /* there is room for so many, n_counts more than `size` at the least */
} ssvm_counts;

/* theta IN, SCRATCH afterwards; labels OUT: an output of the greatest score (a good one where `exact`
 * is 0); value OUT: its score. */
typedef int (*ssvm_maximize)(void *user, int64_t i, int32_t thread, double *theta, int32_t *labels,
                             double *value);

/* labels IN, SSVM_VOID among them where the family knows that; mu OUT: the parts that they use. An
 * error where they are no output. */
typedef int (*ssvm_count)(void *user, int64_t i, const int32_t *labels, ssvm_counts *mu);

/* y IN, SSVM_VOID among its labels where the family knows that; mu OUT: mu(y) - mu(y_hat), without
 * the parts that touch a label that is void in y. */
typedef int (*ssvm_difference)(void *user, int64_t i, const int32_t *y, const int32_t *y_hat,
                               ssvm_counts *mu);

/* y IN as for `difference`; theta IN, SCRATCH afterwards; mu OUT: mu(y) - mu_hat, for a mu_hat,
 * maybe fractional, that scores as much as every output, up to a tolerance that the maximizer
 * declares; is_output OUT: whether it is an output, and the best one. */
typedef int (*ssvm_relax)(void *user, int64_t i, int32_t thread, double *theta, const int32_t *y,
                          ssvm_counts *mu, int32_t *is_output);

/* The maximum over outputs of  unit * level * (1 + <theta, mu> - <theta, mu(y)>), the level of an
 * output being the sum of those of the parts that it uses.
 *
 * theta IN, SCRATCH afterwards; levels IN (n_parts[i],), >= 0; 1 <= n_levels <= the number last given
 * to `reserve`, more than the level of any output; labels IN: y, OUT: that output, y where nothing
 * is above 0; value OUT: the maximum. */
typedef int (*ssvm_maximize_slack)(void *user, int64_t i, int32_t thread, double *theta,
                                   const int32_t *levels, int64_t n_levels, double unit,
                                   int32_t *labels, double *value);

/* theta IN, SCRATCH afterwards; labels OUT (n, n_labels[i]): the n best outputs, all different, the
 * best first but for rounding; values OUT (n,): their scores; n_found OUT: how many there are, fewer
 * than n only if there are no more. n >= 1. */
typedef int (*ssvm_n_best)(void *user, int64_t i, int32_t thread, double *theta, int64_t n,
                           int32_t *labels, double *values, int64_t *n_found);

/* Scratch space for so many threads and levels; called before all others and by itself, again for
 * more; n_levels is 0 as long as `maximize_slack` is not called. */
typedef int (*ssvm_reserve)(void *user, int32_t n_threads, int64_t n_levels);

typedef struct {
    int32_t version;         /* SSVM_MAXIMIZER_VERSION */
    int32_t exact;           /* whether `maximize` finds the greatest score */
    int64_t size;            /* sizeof(ssvm_maximizer) where it was filled */
    void *user;              /* the first argument of all calls */
    int64_t n_examples;
    const int64_t *n_parts;  /* (n_examples,), each below 2**31 */
    const int64_t *n_labels; /* (n_examples,) */
    int64_t n_counts;        /* the most entries that one call writes into counts */
    ssvm_maximize maximize;
    /* Optional from here on: NULL where there is none. */
    ssvm_count count;           /* NULL: labels are the counts, one for each part */
    ssvm_difference difference; /* NULL: that of two counts; this is for what is faster */
    ssvm_relax relax;
    ssvm_maximize_slack maximize_slack;
    ssvm_n_best n_best;
    ssvm_reserve reserve;
} ssvm_maximizer;

#endif
