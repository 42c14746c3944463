// The norm of a gradient on a device, and what follows from it. Four kernels, each in one order of
// operations: tiles, folds of tiles to tensors and of tensors to whatever is clipped together, and
// the decision. norm.cl says what is computed. With ACCUMULATED the gradient is what a step will
// see: with the sum of those before it.
//
// With OF_TERMS the sums are those that a rule needs: of squares or, with PLAIN, of terms
// themselves, over tiles with a stride, and each result becomes a number of the rule.
//
// There are ITEMS items in a group that adds up together: a power of two up to
// DESCENT_ACCUMULATORS, of which each item has as many as it takes. With ITEM_PER_TILE a tile is
// summed by one item: item_tile.cl comes before.

#ifdef __clang__
#pragma clang attribute pop
#endif

#ifdef ACCUMULATED
#define EARLIER_ARGUMENT , const global float *restrict earlier, const ulong earlierOffset
#define EARLIER_PLACE(tile) const global float *with = earlier + (earlierOffset + tiles[tile].start)
#define WITH_EARLIER with,
#define VALUE_AT(at) accumulated(with[at], VALUES(from[at]))
#else
#define EARLIER_ARGUMENT
#define EARLIER_PLACE(tile)
#define WITH_EARLIER
#define VALUE_AT(at) VALUES(from[(ulong)(at) * STRIDE(tile)])
#endif

#ifdef PLAIN
#define ARE_SQUARES false
#else
#define ARE_SQUARES true
#endif

// The distance of a tile's elements: 1, or for a column the length of a row.
#ifdef OF_TERMS
#define STRIDE(tile) tiles[tile].states
#else
#define STRIDE(tile) 1
#endif

#ifdef ITEM_PER_TILE
kernel void norm_tiles(const uint tileCount, const global descent_block *restrict tiles,
                       const global ELEMENT *restrict gradients, const ulong gradientsOffset,
                       global descent_partial *restrict partials,
                       const uint first EARLIER_ARGUMENT) {
  const uint tile = (uint)get_global_id(0);
  if (tile >= tileCount) return;
  const global ELEMENT *from = gradients + (gradientsOffset + tiles[tile].start);
  EARLIER_PLACE(tile);
  partials[first + tile] =
      item_tile(from, WITH_EARLIER STRIDE(tile), tiles[tile].count, ARE_SQUARES);
}
#else
// A group for each tile, an item for each accumulator: ITEMS is DESCENT_ACCUMULATORS. The elements
// stay in registers between the search for the greatest and the sum, so that they are read once.
#define EACH_ELEMENT (DESCENT_TILE / ITEMS)

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void norm_tiles(
    const uint tileCount, const global descent_block *restrict tiles,
    const global ELEMENT *restrict gradients, const ulong gradientsOffset,
    global descent_partial *restrict partials, const uint first EARLIER_ARGUMENT) {
  local uint peaks[ITEMS];
  local float sums[ITEMS];
  const uint item = (uint)get_local_id(0);
  const uint tile = (uint)get_group_id(0);
  const uint count = tiles[tile].count;
  const global ELEMENT *from = gradients + (gradientsOffset + tiles[tile].start);
  EARLIER_PLACE(tile);

  float values[EACH_ELEMENT];
  uint most = 0;
#pragma unroll
  for (uint i = 0; i < EACH_ELEMENT; i++) {
    const uint at = i * ITEMS + item;
    values[i] = at < count ? VALUE_AT(at) : 0.0f;
    most = max(most, as_uint(values[i]) & 0x7fffffffu);
  }
  peaks[item] = most;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint apart = ITEMS / 2; apart > 0; apart /= 2) {
    if (item < apart) peaks[item] = max(peaks[item], peaks[item + apart]);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  const uint peak = peaks[0];
  const float down = downscale(peak);
  float sum = 0.0f;
#pragma unroll
  for (uint i = 0; i < EACH_ELEMENT; i++) {
    const float value = values[i] * down;
    sum = sum + (ARE_SQUARES ? value * value : value);
  }
  sums[item] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint apart = ITEMS / 2; apart > 0; apart /= 2) {
    if (item < apart) sums[item] = sums[item] + sums[item + apart];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (item == 0) {
    const descent_partial result = {sums[0], peak};
    partials[first + tile] = result;
  }
}
#endif

// One group for each sum: group i sums the terms at starts[i] … starts[i + 1] of the list.
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void norm_fold(
    const global descent_partial *restrict terms, const global uint *restrict list,
    const global uint *restrict starts, global descent_partial *restrict results) {
  local uint peaks[DESCENT_ACCUMULATORS];
  local pair sums[DESCENT_ACCUMULATORS];
  const uint item = (uint)get_local_id(0);
  const uint own = (uint)get_group_id(0);
  const uint start = starts[own];
  const uint end = starts[own + 1];

  // Many tensors are a single tile. Uniform across the group; skips the barriers.
  if (end - start == 1) {
    if (item == 0) results[own] = terms[list[start]];
    return;
  }
  const uint width = fold_width(end - start);

  for (uint k = item; k < DESCENT_ACCUMULATORS; k += ITEMS) {
    uint most = 0;
    for (uint i = start + k; i < end; i += DESCENT_ACCUMULATORS)
      most = max(most, terms[list[i]].peak);
    peaks[k] = most;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint apart = width / 2; apart > 0; apart /= 2) {
    for (uint k = item; k < apart; k += ITEMS) peaks[k] = max(peaks[k], peaks[k + apart]);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  const uint peak = peaks[0];
  for (uint k = item; k < DESCENT_ACCUMULATORS; k += ITEMS) {
    pair sum = {0.0f, 0.0f};
    for (uint i = start + k; i < end; i += DESCENT_ACCUMULATORS)
      sum = add_term(sum, rescaled(terms[list[i]], peak, ARE_SQUARES));
    sums[k] = sum;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint apart = width / 2; apart > 0; apart /= 2) {
    for (uint k = item; k < apart; k += ITEMS) sums[k] = add_pair(sums[k], sums[k + apart]);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (item == 0) {
    const descent_partial result = {sums[0].high + sums[0].low, peak};
    results[own] = result;
  }
}

#ifdef OF_TERMS
// Converts the sums to numbers of a rule. A skipped step writes none: with CONTROLLED the control
// block says whether it is skipped.
kernel void sum_values(const uint count, const global descent_partial *restrict results,
                       const global uint *restrict places, const uint reduction,
                       global float *restrict numbers
#ifdef CONTROLLED
                       ,
                       const global descent_control *restrict now
#endif
) {
  const uint i = (uint)get_global_id(0);
#ifdef CONTROLLED
  if (now->isSkipped) return;
#endif
  if (i < count) numbers[places[i]] = value_of(results[i], reduction);
}
#else
// What the step does: the last of the results is the whole gradient's, the others are clipped each
// to its own limit.
kernel void norm_decide(const uint count, const global descent_partial *restrict results,
                        const global descent_clipping *restrict settings, const descent_decision d,
                        const descent_clipping whole, global descent_control *restrict now,
                        global float *restrict coefficients) {
  descent_control next = *now;
  decide(&next, results[count], whole, d);
  for (uint i = 0; i < count; i++) {
    descent_clipping own = settings[i];
    own.gradientScale = next.scale;
    coefficients[i] = clip_coefficient(results[i], own);
  }
  *now = next;
}
#endif
