// Norms, clipping and skipping on this processor, where nothing depends on the instruction set;
// ../norm.cl says what the numbers are.
#pragma once
#include <stdbool.h>

#include "../types.h"

float descent_norm_downscale(unsigned peak);

// The sum of `count` partials, of squares or of terms themselves: of those at `indices`, or of all
// in turn where that is null.
descent_partial descent_norm_fold(const descent_partial *terms, const int *indices, long count,
                                  bool areSquares);

// What a partial is: DESCENT_NORM, DESCENT_SUM or DESCENT_LARGEST.
float descent_norm_value(descent_partial total, unsigned reduction);

float descent_norm_coefficient(descent_partial total, descent_clipping settings);

void descent_decide(descent_control *now, descent_partial total, descent_clipping settings,
                    descent_decision how);
