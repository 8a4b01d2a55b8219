/* What was added to a vector of weights, to be added to a copy of it. */
#ifndef SSVM_STEP_LOG_H
#define SSVM_STEP_LOG_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* What `row` says:
 *   r >= 0     row r times `change` was added to a column of weights; if weights grow, to those of
 *              its frequent columns
 *   -1         `change` was added to the weight at place `column`
 *   -2 - f     `change` is to be added to the weight of feature f and label `column`, which has no
 *              place yet */
typedef struct {
    int32_t row;
    int32_t column;
    double change;
} ssvm_logged;

typedef struct {
    ssvm_logged *steps;
    ptrdiff_t n, room;
    ptrdiff_t n_without_place;
    int out_of_memory; /* steps are missing */
} ssvm_step_log;

static inline void ssvm_note(ssvm_step_log *log, int32_t row, int32_t column, double change)
{
    if (log->n == log->room) {
        const ptrdiff_t room = log->room + log->room / 2 + 256;
        ssvm_logged *steps = (ssvm_logged *)realloc(log->steps, (size_t)room * sizeof *steps);
        if (!steps) {
            log->out_of_memory = 1;
            return;
        }
        log->steps = steps;
        log->room = room;
    }
    log->steps[log->n].row = row;
    log->steps[log->n].column = column;
    log->steps[log->n].change = change;
    ++log->n;
}

#endif
