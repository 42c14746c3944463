// One update by the rule above. A work-group owns one block: up to GROUP × LANES consecutive
// elements. Whether the block is full is the same for all of a group's items. 64-bit indices up to
// the block, 32-bit inside it.
//
// Without TABLE the blocks cover `count` elements of one group of parameters. With it, each block
// says where it lies and which group it follows, so that one launch updates a whole model. With
// CONTROLLED too, the device itself has decided whether the step is taken, by how much each
// gradient is clipped and which step it is; the groups' values are there for every step that it may
// be. With ZEROING the gradient is 0 afterwards, whatever was decided. With ACCUMULATED the sum of
// earlier gradients is added to it, and with AVERAGED an average follows the parameters: beside.cl.
//
// The offsets move each kind of vectors against the blocks; they may wrap around. In a table a
// block says itself where it lies in the states, which have elements only for the tensors of this
// program.

// `restrict` is the kernel's own to say: in a function that is inlined it becomes an intrinsic that
// oclgrind 21.10 does not know.
#define ARGUMENT(i) , global float *restrict state##i
#define PART_ARGUMENT(i) , global float *state##i
#define PLACE(i) , state##i + statesAt
#define LOAD_STATE(i) state[i] = LOAD(state##i);
#define STORE_STATE(i) STORE(state[i], state##i);
#if defined(ACCUMULATED) || defined(AVERAGED)
#define VECTORS_ARGUMENT , const ulong vectorsOffset
#else
#define VECTORS_ARGUMENT
#endif
#ifdef ACCUMULATED
#define SUM_ARGUMENT , const global float *restrict sum
#define SUM_PART_ARGUMENT , const global float *sum
#define SUM_PLACE , sum + vectorsOffset + at
#define ADD_SUM(loaded) g = accumulated(loaded, g)
#else
#define SUM_ARGUMENT
#define SUM_PART_ARGUMENT
#define SUM_PLACE
#define ADD_SUM(loaded)
#endif
#ifdef AVERAGED
#define AVERAGE_ARGUMENT , global float *restrict average, const float averageWeight
#define AVERAGE_PART_ARGUMENT , global float *average, float averageWeight
#define AVERAGE_PLACE , average + vectorsOffset + at, averageWeight
#define AVERAGE() STORE(averaged(LOAD(average), x, averageWeight), average)
#define AVERAGE_PART(left) \
  store_part(averaged(load_part(average, left), x, averageWeight), average, left)
#else
#define AVERAGE_ARGUMENT
#define AVERAGE_PART_ARGUMENT
#define AVERAGE_PLACE
#define AVERAGE()
#define AVERAGE_PART(left)
#endif
#define BESIDE_ARGUMENTS EACH_STATE(ARGUMENT) VECTORS_ARGUMENT SUM_ARGUMENT AVERAGE_ARGUMENT
#define BESIDE_PART_ARGUMENTS EACH_STATE(PART_ARGUMENT) SUM_PART_ARGUMENT AVERAGE_PART_ARGUMENT
#define BESIDE_PLACES EACH_STATE(PLACE) SUM_PLACE AVERAGE_PLACE
#define LOAD_STATE_PART(i) state[i] = load_part(state##i, left);
#define STORE_STATE_PART(i) store_part(state[i], state##i, left);

static void update_lanes(descent_preparation p, scalars s, global float *to,
                         GRADIENT *from BESIDE_PART_ARGUMENTS) {
  lanes state[STATES + 1];
  lanes x = LOAD(to);
  lanes g = LOAD(from);
  ADD_SUM(LOAD(sum));
  EACH_STATE(LOAD_STATE)
  prepare(x, &g, p);
  x = stepped(x, rule(x, g, state, s), p);
  STORE(x, to);
  EACH_STATE(STORE_STATE)
  AVERAGE();
  ZERO(from);
}

// The last lanes of a block, of which `left` are elements.
static void update_part(uint left, descent_preparation p, scalars s, global float *to,
                        GRADIENT *from BESIDE_PART_ARGUMENTS) {
  lanes state[STATES + 1];
  lanes x = load_part(to, left);
  lanes g = load_part(from, left);
  ADD_SUM(load_part(sum, left));
  EACH_STATE(LOAD_STATE_PART)
  prepare(x, &g, p);
  x = stepped(x, rule(x, g, state, s), p);
  store_part(x, to, left);
  EACH_STATE(STORE_STATE_PART)
  AVERAGE_PART(left);
  ZERO_PART(from, left);
}

#ifdef TABLE
// What differs between groups. The same in Swift: Sources/Descent/Step/GroupRow.swift
typedef struct {
  descent_group group;
  scalars s;
} group_row;
#endif

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void update(
#ifdef TABLE
    const global descent_block *restrict blocks, const global group_row *restrict groups,
    const uint firstGroup,
#ifdef CONTROLLED
    const uint groupCount, const uint confirmed, const global descent_control *restrict now,
    const global float *restrict coefficients,
#endif
#else
    const ulong count, const descent_preparation p, const scalars s,
#endif
    global float *restrict parameters, const ulong parametersOffset,
    GRADIENT *restrict gradients, const ulong gradientsOffset,
    const ulong statesOffset BESIDE_ARGUMENTS) {
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
#else
  const ulong start = (ulong)get_group_id(0) * BLOCK;
  const uint size = count - start < BLOCK ? (uint)(count - start) : BLOCK;
#endif
  const ulong at = start + inside;
#if STATES > 0 && defined(TABLE)
  const ulong statesAt = own.states + inside;
#elif STATES > 0
  const ulong statesAt = statesOffset + at;
#endif
  global float *to = parameters + parametersOffset + at;
  GRADIENT *from = gradients + gradientsOffset + at;
#ifdef TABLE
  if (isIdle) {
    if (inside + LANES <= size)
      ZERO(from);
    else if (inside < size)
      ZERO_PART(from, size - inside);
    return;
  }
#endif
  // The same for the whole group, so that full blocks ask no item.
  if (size == BLOCK)
    update_lanes(p, s, to, from BESIDE_PLACES);
  else if (inside + LANES <= size)
    update_lanes(p, s, to, from BESIDE_PLACES);
  else if (inside < size)
    update_part(size - inside, p, s, to, from BESIDE_PLACES);
}
