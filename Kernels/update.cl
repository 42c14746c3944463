// A pass of the rule above. A work-group owns one block: up to GROUP × LANES consecutive elements.
// Whether the block is full is the same for all of a group's items. 64-bit indices up to the block,
// 32-bit inside it.
//
// The vectors are OPERANDS arguments in one order: parameters, gradients, the rule's STATES states,
// the TERMS terms of a pass with sums. Then follow, where the macros REMAINDER or MASTER, SUM and
// AVERAGE give their numbers, the remainders of parameters in bfloat16 (storage.cl) or the Floats
// of those in binary16, the sum of earlier gradients and an average of the parameters (beside.cl).
// A pass over numbers of another shape than the parameters' has these alone. The bits of WRITTEN
// say which are written, those of UNREAD which are not read. A gradient is written to be zeroed,
// whatever was decided.
//
// With FUSED, for processors, a group is one item with a tile for its block: it keeps the terms in
// local memory, sums each, by squares where a bit of SQUARES says so (item_tile.cl), and writes the
// sums in place of the terms.
//
// NUMBERS numbers of other shapes follow, two bits of SHAPES for each; every block is then in one
// row of one tensor, and `places` gives the indices of the block's row, first column and tensor.
//
// Without TABLE the blocks cover `count` elements of one group of parameters. With it, each block
// holds its position and its group, so that one launch updates a whole model. With CONTROLLED too,
// the device itself has decided whether the step is taken, by how much each gradient is clipped and
// which step it is; the groups' values are passed for every possible step count.
//
// The offsets shift each vector relative to the blocks; they may wrap around. In a table each block
// holds its own position in the states, which have elements only for the tensors of this program.

#ifndef UNREAD
#define UNREAD 0
#endif
#ifndef TYPES
#define TYPES 0UL
#endif
#ifndef TERMS
#define TERMS 0
#endif

#define EACH_OPERAND(DO) EACH_OF(OPERANDS, DO)
#if PASS == DESCENT_NUMBERS
#define FIRST_STATE 0
#else
#define FIRST_STATE 2
#endif
#define PARAMETERS 0
#define GRADIENTS 1
#define FIRST_TERM (FIRST_STATE + STATES)
#define IS_STATE(i) (i >= FIRST_STATE && i < FIRST_TERM)
#define IS_TERM(i) (i >= FIRST_TERM && i < FIRST_TERM + TERMS)
#define IS_WRITTEN(i) (WRITTEN >> i & 1)
#define IS_READ(i) (!(UNREAD >> i & 1))
#define TYPE_OF(i) ((uint)(TYPES >> 4 * i & 15))
#define SIZE(i) ELEMENT_SIZE(TYPE_OF(i))

// Only the kernel declares `restrict`: in an inlined function it becomes an intrinsic that oclgrind
// 21.10 does not support.
#define ARGUMENT(i) , global uchar *restrict operand##i, const ulong offset##i
#define PART_ARGUMENT(i) , global uchar *operand##i
#define PLACE(i) \
  , operand##i + SIZE(i) * (offset##i + (IS_STATE(i) ? firstState : start) + inside)
#define LOAD_OPERAND(i) \
  value[i] = IS_READ(i) ? load_element(operand##i, TYPE_OF(i)) : (lanes)(0.0f);
#ifdef FUSED
#define FUSED_PARAMETER local float *terms,
#define WITH_TERMS terms + inside,
#define IS_STORED(i) (IS_WRITTEN(i) && !IS_TERM(i))
// Whole lanes: what is behind a tile's last element is not summed.
#define STORE_TERMS \
  for (uint i = 0; i < TERMS; i++) STORE(value[FIRST_TERM + i], terms + i * DESCENT_TILE);
#else
#define FUSED_PARAMETER
#define WITH_TERMS
#define IS_STORED(i) IS_WRITTEN(i)
#define STORE_TERMS
#endif
#define STORE_OPERAND(i) \
  if (IS_STORED(i)) store_element(value[i], operand##i, TYPE_OF(i));
#define LOAD_OPERAND_PART(i) \
  value[i] = IS_READ(i) ? load_element_part(operand##i, TYPE_OF(i), left) : (lanes)(0.0f);
#define STORE_OPERAND_PART(i) \
  if (IS_STORED(i)) store_element_part(value[i], operand##i, TYPE_OF(i), left);

#define SUM_OPERAND(i)                                                                          \
  if (IS_TERM(i))                                                                               \
    ((global descent_partial *)(operand##i + SIZE(i) * offset##i))[get_group_id(0)] =           \
        item_tile(terms + (i - FIRST_TERM) * DESCENT_TILE, 1, size,                             \
                  SQUARES >> (i - FIRST_TERM) & 1);

#if NUMBERS > 0
#define EACH_NUMBER(DO) EACH_OF(NUMBERS, DO)
#define SHAPE(i) (SHAPES >> 2 * i & 3)
#define NUMBER_ARGUMENT(i) , const global float *restrict number##i
#define NUMBER_PART_ARGUMENT(i) , const global float *number##i
// Columns advance with the elements; the others are uniform in the block.
#define NUMBER_PLACE(i)                                                          \
  , number##i + (SHAPE(i) == DESCENT_ROWS      ? place.row                       \
                 : SHAPE(i) == DESCENT_COLUMNS ? place.column + inside           \
                 : SHAPE(i) == DESCENT_TENSOR  ? place.tensor                    \
                                               : 0)
#define LOAD_NUMBER(i) \
  number[i] = SHAPE(i) == DESCENT_COLUMNS ? LOAD(number##i) : (lanes)(*number##i);
#define LOAD_NUMBER_PART(i) \
  number[i] = SHAPE(i) == DESCENT_COLUMNS ? load_part(number##i, left) : (lanes)(*number##i);
#define DECLARE_NUMBERS lanes number[NUMBERS];
#define WITH_NUMBERS number,
#define NUMBERS_PARAMETER const lanes *number,
#else
#define EACH_NUMBER(DO)
#define DECLARE_NUMBERS
#define WITH_NUMBERS
#define NUMBERS_PARAMETER
#endif

// One pass over one value of each operand.
static void run_pass(lanes *value, NUMBERS_PARAMETER descent_preparation p, scalars s) {
  lanes *state = value + FIRST_STATE;
#if PASS == DESCENT_NUMBERS
  rule(state, WITH_NUMBERS s);
#else
#ifdef REMAINDER
  value[PARAMETERS] = joined(value[PARAMETERS], value[REMAINDER]);
#endif
#ifdef MASTER
  value[PARAMETERS] = value[MASTER];
#endif
  const lanes x = value[PARAMETERS];
  lanes g = value[GRADIENTS];
#ifdef SUM
  g = accumulated(value[SUM], g);
#endif
  prepare(x, &g, p);
#if PASS == DESCENT_SUMS
  rule(x, g, state, WITH_NUMBERS s, value + FIRST_TERM);
#else
  value[PARAMETERS] = stepped(x, rule(x, g, state, WITH_NUMBERS s), p);
#endif
#ifdef AVERAGE
  value[AVERAGE] = averaged(value[AVERAGE], value[PARAMETERS], p.averageWeight);
#endif
#ifdef REMAINDER
  value[REMAINDER] = remainder_of(value[PARAMETERS]);
  value[PARAMETERS] = upper_half(value[PARAMETERS]);
#endif
#ifdef MASTER
  value[MASTER] = value[PARAMETERS];
#endif
  value[GRADIENTS] = 0.0f;
#endif
}

static void update_lanes(FUSED_PARAMETER descent_preparation p,
                         scalars s EACH_OPERAND(PART_ARGUMENT) EACH_NUMBER(NUMBER_PART_ARGUMENT)) {
  lanes value[OPERANDS];
  DECLARE_NUMBERS
  EACH_OPERAND(LOAD_OPERAND)
  EACH_NUMBER(LOAD_NUMBER)
  run_pass(value, WITH_NUMBERS p, s);
  EACH_OPERAND(STORE_OPERAND)
  STORE_TERMS
}

// The last lanes of a block, of which `left` are elements.
static void update_part(uint left, FUSED_PARAMETER descent_preparation p,
                        scalars s EACH_OPERAND(PART_ARGUMENT) EACH_NUMBER(NUMBER_PART_ARGUMENT)) {
  lanes value[OPERANDS];
  DECLARE_NUMBERS
  EACH_OPERAND(LOAD_OPERAND_PART)
  EACH_NUMBER(LOAD_NUMBER_PART)
  run_pass(value, WITH_NUMBERS p, s);
  EACH_OPERAND(STORE_OPERAND_PART)
  STORE_TERMS
}

#ifdef TABLE
// What differs between groups. The same in Swift: Sources/Descent/Step/GroupRow.swift
typedef struct {
  descent_group group;
  scalars s;
} group_row;
#endif

#ifdef __clang__
#pragma clang attribute pop
#endif

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void update(
#ifdef TABLE
    const global descent_block *restrict blocks, const global group_row *restrict groups,
    const uint firstGroup
#ifdef CONTROLLED
    ,
    const uint groupCount, const uint confirmed, const global descent_control *restrict now,
    const global float *restrict coefficients
#endif
#else
    const ulong count, const descent_preparation p, const scalars s
#endif
        EACH_OPERAND(ARGUMENT)
#if NUMBERS > 0
        ,
    const global descent_place *restrict places EACH_NUMBER(NUMBER_ARGUMENT)
#endif
) {
#ifndef FUSED
  const uint inside = (uint)get_local_id(0) * LANES;
#endif
#ifdef TABLE
  const descent_block own = blocks[get_group_id(0)];
  const ulong start = own.start;
  const uint size = own.count;
#ifdef CONTROLLED
  const uint row = firstGroup + (now->before - confirmed) * groupCount;
  const group_row values = groups[row + own.group];
  const bool isIdle = values.group.isFrozen || now->isSkipped;
#else
  const group_row values = groups[firstGroup + own.group];
  const bool isIdle = values.group.isFrozen;
#endif
  descent_preparation p = values.group.preparation;
  const scalars s = values.s;
#ifdef CONTROLLED
  p.gradientScale = p.gradientScale * now->inverse * coefficients[own.set];
#endif
  const ulong firstState = own.states;
#else
  const ulong start = (ulong)get_group_id(0) * BLOCK;
  const uint size = count - start < BLOCK ? (uint)(count - start) : BLOCK;
  const ulong firstState = start;
#endif
#if NUMBERS > 0
  const descent_place place = places[get_group_id(0)];
#endif
#ifdef TABLE
#if PASS != DESCENT_ELEMENTS
  if (isIdle) return;
#else
  if (isIdle) {
    if (!IS_WRITTEN(GRADIENTS)) return;
    global uchar *g = operand1 + SIZE(GRADIENTS) * (offset1 + start + inside);
    if (inside + LANES <= size)
      store_element((lanes)(0.0f), g, TYPE_OF(GRADIENTS));
    else if (inside < size)
      store_element_part((lanes)(0.0f), g, TYPE_OF(GRADIENTS), size - inside);
    return;
  }
#endif
#endif
#ifdef FUSED
  local float terms[TERMS * DESCENT_TILE];
  for (uint inside = 0; inside < size; inside += LANES) {
    if (inside + LANES <= size && is_plain(p))
      update_lanes(WITH_TERMS plain(p), s EACH_OPERAND(PLACE) EACH_NUMBER(NUMBER_PLACE));
    else if (inside + LANES <= size)
      update_lanes(WITH_TERMS p, s EACH_OPERAND(PLACE) EACH_NUMBER(NUMBER_PLACE));
    else
      update_part(size - inside, WITH_TERMS p, s EACH_OPERAND(PLACE) EACH_NUMBER(NUMBER_PLACE));
  }
  EACH_OPERAND(SUM_OPERAND)
#else
  // Uniform across the group, so that full blocks need no test for each item.
  if (size == BLOCK && is_plain(p))
    update_lanes(plain(p), s EACH_OPERAND(PLACE) EACH_NUMBER(NUMBER_PLACE));
  else if (size == BLOCK)
    update_lanes(p, s EACH_OPERAND(PLACE) EACH_NUMBER(NUMBER_PLACE));
  else if (inside + LANES <= size)
    update_lanes(p, s EACH_OPERAND(PLACE) EACH_NUMBER(NUMBER_PLACE));
  else if (inside < size)
    update_part(size - inside, p, s EACH_OPERAND(PLACE) EACH_NUMBER(NUMBER_PLACE));
#endif
}
