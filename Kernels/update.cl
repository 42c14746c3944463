// One update by the rule above. A work-group owns one block: up to GROUP × LANES consecutive
// elements. Whether the block is full is the same for all of a group's items. 64-bit indices up to
// the block, 32-bit inside it.
//
// The vectors are OPERANDS arguments in one order: parameters, gradients, the rule's STATES states,
// and then, where the macros SUM and AVERAGE give their numbers, the sum of earlier gradients and an
// average of the parameters (beside.cl). The bits of WRITTEN say which are written; all are read. A
// gradient is written to be zeroed, whatever was decided.
//
// Without TABLE the blocks cover `count` elements of one group of parameters. With it, each block
// says where it lies and which group it follows, so that one launch updates a whole model. With
// CONTROLLED too, the device itself has decided whether the step is taken, by how much each
// gradient is clipped and which step it is; the groups' values are there for every step that it may
// be.
//
// The offsets move each vector against the blocks; they may wrap around. In a table a block says
// itself where it lies in the states, which have elements only for the tensors of this program.

#define EACH_OPERAND(DO) EACH_OF(OPERANDS, DO)
#define PARAMETERS 0
#define GRADIENTS 1
#define FIRST_STATE 2
#define IS_STATE(i) (i >= FIRST_STATE && i < FIRST_STATE + STATES)
#define IS_WRITTEN(i) (WRITTEN >> i & 1)

// `restrict` is the kernel's own to say: in a function that is inlined it becomes an intrinsic that
// oclgrind 21.10 does not know.
#define ARGUMENT(i) , global float *restrict operand##i, const ulong offset##i
#define PART_ARGUMENT(i) , global float *operand##i
#define PLACE(i) , operand##i + (offset##i + (IS_STATE(i) ? statesAt : at))
#define LOAD_OPERAND(i) value[i] = LOAD(operand##i);
#define STORE_OPERAND(i) \
  if (IS_WRITTEN(i)) STORE(value[i], operand##i);
#define LOAD_OPERAND_PART(i) value[i] = load_part(operand##i, left);
#define STORE_OPERAND_PART(i) \
  if (IS_WRITTEN(i)) store_part(value[i], operand##i, left);

// What a step makes of one value of each operand.
static void step(lanes *value, descent_preparation p, scalars s) {
  const lanes x = value[PARAMETERS];
  lanes g = value[GRADIENTS];
#ifdef SUM
  g = accumulated(value[SUM], g);
#endif
  prepare(x, &g, p);
  value[PARAMETERS] = stepped(x, rule(x, g, value + FIRST_STATE, s), p);
#ifdef AVERAGE
  value[AVERAGE] = averaged(value[AVERAGE], value[PARAMETERS], p.averageWeight);
#endif
  value[GRADIENTS] = 0.0f;
}

static void update_lanes(descent_preparation p, scalars s EACH_OPERAND(PART_ARGUMENT)) {
  lanes value[OPERANDS];
  EACH_OPERAND(LOAD_OPERAND)
  step(value, p, s);
  EACH_OPERAND(STORE_OPERAND)
}

// The last lanes of a block, of which `left` are elements.
static void update_part(uint left, descent_preparation p, scalars s EACH_OPERAND(PART_ARGUMENT)) {
  lanes value[OPERANDS];
  EACH_OPERAND(LOAD_OPERAND_PART)
  step(value, p, s);
  EACH_OPERAND(STORE_OPERAND_PART)
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
        EACH_OPERAND(ARGUMENT)) {
  const uint inside = (uint)get_local_id(0) * LANES;
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
  const ulong statesAt = own.states + inside;
#else
  const ulong start = (ulong)get_group_id(0) * BLOCK;
  const uint size = count - start < BLOCK ? (uint)(count - start) : BLOCK;
  const ulong statesAt = start + inside;
#endif
  const ulong at = start + inside;
#ifdef TABLE
  if (isIdle) {
    if (!IS_WRITTEN(GRADIENTS)) return;
    global float *g = operand1 + (offset1 + at);
    if (inside + LANES <= size)
      STORE((lanes)(0.0f), g);
    else if (inside < size)
      store_part((lanes)(0.0f), g, size - inside);
    return;
  }
#endif
  // The same for the whole group, so that full blocks ask no item.
  if (size == BLOCK && is_plain(p))
    update_lanes(plain(p), s EACH_OPERAND(PLACE));
  else if (size == BLOCK)
    update_lanes(p, s EACH_OPERAND(PLACE));
  else if (inside + LANES <= size)
    update_lanes(p, s EACH_OPERAND(PLACE));
  else if (inside < size)
    update_part(size - inside, p, s EACH_OPERAND(PLACE));
}
