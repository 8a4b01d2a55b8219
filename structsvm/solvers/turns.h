/* Threads that take turns: phases of a few items each, one phase after the other.
 *
 * Any thread may claim any item of the present phase; the next phase begins when all its items are
 * done. A thread that comes late, or never, holds up nobody but for the item that it has claimed.
 * What an item has written is seen by all items of later phases. */
#ifndef SSVM_TURNS_H
#define SSVM_TURNS_H

#include <stdint.h>

#if defined(_MSC_VER)
#include <intrin.h>
#include <windows.h>
#define SSVM_GIVE_WAY() SwitchToThread()
#define SSVM_BREATHE() YieldProcessor()
static __inline int64_t ssvm_turns_read(volatile int64_t *p) { return _InterlockedOr64(p, 0); }
static __inline void ssvm_turns_write(volatile int64_t *p, int64_t value) { _InterlockedExchange64(p, value); }
static __inline void ssvm_turns_count(volatile int64_t *p) { _InterlockedIncrement64(p); }
static __inline int ssvm_turns_swap(volatile int64_t *p, int64_t from, int64_t to)
{
    return _InterlockedCompareExchange64(p, to, from) == from;
}
#else
#include <sched.h>
#define SSVM_GIVE_WAY() sched_yield()
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
#define SSVM_BREATHE() __builtin_ia32_pause()
#elif defined(__GNUC__) && defined(__aarch64__)
#define SSVM_BREATHE() __asm__ __volatile__("yield")
#else
#define SSVM_BREATHE() ((void)0)
#endif
static inline int64_t ssvm_turns_read(volatile int64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline void ssvm_turns_write(volatile int64_t *p, int64_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
}
static inline void ssvm_turns_count(volatile int64_t *p) { __atomic_add_fetch(p, 1, __ATOMIC_ACQ_REL); }
static inline int ssvm_turns_swap(volatile int64_t *p, int64_t from, int64_t to)
{
    return __atomic_compare_exchange_n(p, &from, to, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
#endif

enum { SSVM_MOST_ITEMS = 16, SSVM_LINE = 8, SSVM_PATIENCE = 2000 };

typedef struct {
    volatile int64_t phase_of[SSVM_MOST_ITEMS * SSVM_LINE]; /* in which each item is next claimed */
    volatile int64_t n_done; /* items, of all phases */
    volatile int64_t n_phases;
    int64_t n_items;
} ssvm_turns;

static inline void ssvm_turns_begin(ssvm_turns *turns, int64_t n_items, int64_t n_phases)
{
    for (int64_t q = 0; q < n_items; ++q)
        ssvm_turns_write(&turns->phase_of[q * SSVM_LINE], 0);
    turns->n_items = n_items;
    ssvm_turns_write(&turns->n_done, 0);
    ssvm_turns_write(&turns->n_phases, n_phases);
}

/* Wait for a phase; 0 if there is none. */
static inline int ssvm_turns_wait(ssvm_turns *turns, int64_t phase)
{
    for (int k = 0; ssvm_turns_read(&turns->n_done) < phase * turns->n_items; ++k)
        if (k < SSVM_PATIENCE)
            SSVM_BREATHE();
        else
            SSVM_GIVE_WAY();
    return phase < ssvm_turns_read(&turns->n_phases);
}

static inline int ssvm_turns_claim(ssvm_turns *turns, int64_t phase, int64_t item)
{
    volatile int64_t *next = &turns->phase_of[item * SSVM_LINE];
    return ssvm_turns_read(next) == phase && ssvm_turns_swap(next, phase, phase + 1);
}

static inline void ssvm_turns_done(ssvm_turns *turns) { ssvm_turns_count(&turns->n_done); }

/* Have no phases from `phase` on. Called with an item of an earlier phase claimed. */
static inline void ssvm_turns_end(ssvm_turns *turns, int64_t phase)
{
    int64_t now = ssvm_turns_read(&turns->n_phases);
    while (phase < now && !ssvm_turns_swap(&turns->n_phases, now, phase))
        now = ssvm_turns_read(&turns->n_phases);
}

#endif
