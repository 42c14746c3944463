// Norms, clipping and skipping as this processor runs them; ../norm.cl says what the numbers are.
#pragma once
#include "../types.h"

// The sum of squares of up to DESCENT_TILE elements, each added to one of `with` unless that is null.
typedef void descent_norm_tile(const float *from, const float *with, long count,
                               descent_partial *result);
descent_norm_tile descent_norm_tile_baseline, descent_norm_tile_avx2, descent_norm_tile_avx512;

float descent_norm_downscale(unsigned peak);

// The sum of `count` terms: those at `indices`, or all in turn where that is null.
descent_partial descent_norm_fold(const descent_partial *terms, const int *indices, long count);

float descent_norm_coefficient(descent_partial total, descent_clipping settings);

void descent_decide(descent_control *now, descent_partial total, descent_clipping settings,
                    descent_decision how);
