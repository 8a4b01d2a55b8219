/* A maximizer: all that the library needs to know of a family of structures.
 *
 * Example i has n_parts[i] parts, the entries of a vector of scores theta. An output is a row of
 * n_labels[i] labels. It uses part p mu_p times, and its score is <theta, mu>. A maximizer finds the
 * output with the greatest score. It knows no weights, no features and no losses.
 *
 * The families of this package fill this struct; code from elsewhere (C, Cython, ctypes, cffi, numba)
 * may fill it, too, and pass its address to `ForeignMaximizer`.
 *
 * For all calls:
 *
 *   requires   0 <= i < n_examples; arrays of the stated lengths, which do not overlap
 *   ensures    it writes only to the arrays marked OUT and SCRATCH and keeps no pointer to them; the
 *              answer depends on the arguments only, except for ties
 *   on error   returns non-zero; it may take the GIL and set a Python exception, which is raised
 *   threads    calls with different `thread` may run at the same time. They come without the GIL,
 *              with 0 <= thread < the number last given to `reserve` */
#ifndef SSVM_MAXIMIZER_H
#define SSVM_MAXIMIZER_H

#include <stdint.h>

enum {
    SSVM_MAXIMIZER_VERSION = 1,
    SSVM_VOID = -1, /* an unknown true label: it and the parts that touch it are left out */
    /* How the labels of an output say which parts it uses, where there is no `count`: */
    SSVM_COUNTS = 0, /* label p says how often part p is used */
    SSVM_INDICES = 1 /* the used parts, ascending, one as often as it is used; then SSVM_VOID */
};

/* How often parts are used, sparsely: part parts[k] counts[k] times, for k < size. Other parts are not
 * used; the counts of a part that occurs twice add up. */
typedef struct {
    int32_t *parts;
    double *counts;
    int64_t size;     /* a call appends entries from here on and raises this */
    int64_t capacity; /* room, at least size + n_counts before a call */
} ssvm_counts;

/* theta IN, SCRATCH afterwards; labels OUT: an output with the greatest score (a good one if `exact`
 * is 0); value OUT: its score. */
typedef int (*ssvm_maximize)(void *user, int64_t i, int32_t thread, double *theta, int32_t *labels,
                             double *value);

/* As `maximize`, for a search that may stop before the best output is found; bound OUT: no output
 * scores more, so that the certificate of training holds all the same. */
typedef int (*ssvm_maximize_bounded)(void *user, int64_t i, int32_t thread, double *theta,
                                     int32_t *labels, double *value, double *bound);

/* labels IN, which may hold SSVM_VOID if the family allows it; mu OUT: the parts that they use. It is an
 * error if they are not an output. */
typedef int (*ssvm_count)(void *user, int64_t i, const int32_t *labels, ssvm_counts *mu);

/* y IN, which may hold SSVM_VOID if the family allows it; mu OUT: mu(y) - mu(y_hat), without the parts
 * that touch a label that is void in y. */
typedef int (*ssvm_difference)(void *user, int64_t i, const int32_t *y, const int32_t *y_hat,
                               ssvm_counts *mu);

/* y IN as for `difference`; theta IN, SCRATCH afterwards; mu OUT: mu(y) - mu_hat, where mu_hat may be
 * fractional and no output scores more, up to a tolerance that the maximizer declares; is_output OUT:
 * whether mu_hat is an output, and so the best one. */
typedef int (*ssvm_relax)(void *user, int64_t i, int32_t thread, double *theta, const int32_t *y,
                          ssvm_counts *mu, int32_t *is_output);

/* The maximum over outputs of  unit * level * (1 + <theta, mu> - <theta, mu(y)>), where the level of an
 * output is the sum of the levels of the parts that it uses.
 *
 * theta IN, SCRATCH afterwards; levels IN (n_parts[i],), >= 0; n_levels: greater than the level of any
 * output, 1 to the number last given to `reserve`; labels IN: y, OUT: the maximiser, y if no value is
 * above 0; value OUT: the maximum. */
typedef int (*ssvm_maximize_slack)(void *user, int64_t i, int32_t thread, double *theta,
                                   const int32_t *levels, int64_t n_levels, double unit,
                                   int32_t *labels, double *value);

/* theta IN, SCRATCH afterwards; n >= 1; labels OUT (n, n_labels[i]): the n best outputs, all different,
 * best first up to rounding; values OUT (n,): their scores; n_found OUT: their number, less than n only
 * if there are no more outputs. */
typedef int (*ssvm_n_best)(void *user, int64_t i, int32_t thread, double *theta, int64_t n,
                           int32_t *labels, double *values, int64_t *n_found);

/* Reserve scratch space for so many threads and levels. It is called before all other calls, again when
 * more is needed, and never while another call runs; n_levels is 0 until `maximize_slack` is used. */
typedef int (*ssvm_reserve)(void *user, int32_t n_threads, int64_t n_levels);

typedef struct {
    int32_t version;         /* SSVM_MAXIMIZER_VERSION */
    int32_t exact;           /* whether `maximize`, or `relax` where it finds an output, is exact;
                                with `maximize_bounded`, whether its bounds hold */
    int64_t size;            /* sizeof(ssvm_maximizer), for whoever filled it */
    void *user;              /* the first argument of all calls */
    int64_t n_examples;
    const int64_t *n_parts;  /* (n_examples,), each below 2**31 */
    const int64_t *n_labels; /* (n_examples,) */
    int64_t n_counts;        /* the most entries that one call appends to counts */
    ssvm_maximize maximize;
    /* All others are optional: NULL if missing. */
    ssvm_count count;           /* NULL: labels say what is used, in the form `form` */
    ssvm_difference difference; /* NULL: computed by two calls of count */
    ssvm_relax relax;
    ssvm_maximize_slack maximize_slack;
    ssvm_n_best n_best;
    ssvm_reserve reserve;
    ssvm_maximize_bounded maximize_bounded; /* used in place of `maximize`, which may be NULL then */
    int32_t form;                           /* SSVM_COUNTS or SSVM_INDICES */
} ssvm_maximizer;

#endif
