/* SSVM_CLONES: compile a function once per CPU generation and choose at load time.
 *
 * Needs the indirect functions of glibc, hence the guard; everywhere else, and in a build for one
 * CPU (STRUCTSVM_NATIVE), the function is compiled once. With -ffp-contract=off all clones return
 * the same bits. */
#ifndef SSVM_CLONES_H
#define SSVM_CLONES_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) \
    && !defined(STRUCTSVM_NATIVE)
#define SSVM_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define SSVM_CLONES
#endif

/* SSVM_UNUSED: modules that include a header may leave some functions unused. */
#if defined(__GNUC__)
#define SSVM_INLINE static inline __attribute__((always_inline))
#define SSVM_UNUSED __attribute__((unused))
#else
#define SSVM_INLINE static inline
#define SSVM_UNUSED
#endif

/* Rows of label scores are padded to whole groups of lanes, so inner loops have a constant length. The
 * contents of padding lanes are never used as scores. */
enum { SSVM_LANES = 8 };

#endif
