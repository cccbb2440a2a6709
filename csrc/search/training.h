/* Training of a convex surrogate. */
#ifndef CR_SEARCH_TRAINING_H
#define CR_SEARCH_TRAINING_H

#include "../nn/icnn.h"
#include "../optim/adam.h"

/* Points z (epochs, n, d) and targets y (epochs, n), of the dtype of the net: in each epoch the same ones, in its own
 * order. Batches have `batch` points; the last of an epoch may have fewer. One step of Adam follows the mean squared error
 * of each batch, and has the learning rate of that batch. */
typedef struct {
    size_t n, d, batch;
    const void *z, *y;
    const double *rates; /* of all batches of all epochs */
    double *sums;        /* of the squared errors of each epoch, each before its step: (epochs,), 0 at first */
    size_t first_step;   /* steps before these, for messages */
} cr_training;

/* Trains a net on batches [begin, end), counted over all epochs. With `convex`, inner weights must be non-negative: see
 * cr_icnn_freeze. The bits are those of the recorded operations of autodiff, which it runs. CR_ERR_STATE when a loss or a
 * gradient is not finite; the steps before are done then. */
CR_MUST_USE cr_status cr_icnn_train(const cr_icnn *net, bool convex, cr_adam *adam, const cr_training *training,
                                    size_t begin, size_t end, cr_error *err);

#endif
