// Loads and stores of lanes in vectors of any element type, in OpenCL C. `type` is a constant,
// so that a kernel has no branch on it. The same for this processor: cpu/lanes.h

// The type of the one vector of a kernel that may have another than Float, and an element of it.
#ifndef TYPE
#define TYPE DESCENT_FLOAT32
#endif
#if TYPE == DESCENT_FLOAT32
#define ELEMENT float
#define VALUES(stored) (stored)
#else
#define ELEMENT ushort
#define VALUES(stored) decode(stored, TYPE)
#endif

#define ELEMENT_SIZE(type) ((type) == DESCENT_FLOAT32 ? 4 : 2)

static lanes load_element(const global uchar *from, uint type) {
  if (type == DESCENT_FLOAT32) return LOAD((const global float *)from);
  return decode(LOAD((const global ushort *)from), type);
}

static void store_element(lanes value, global uchar *to, uint type) {
  if (type == DESCENT_FLOAT32) {
    STORE(value, (global float *)to);
    return;
  }
  STORE(encode(value, type), (global ushort *)to);
}

// The first `count` of the lanes; the rest is 0 and is not stored.
static lanes load_element_part(const global uchar *from, uint type, uint count) {
  if (type == DESCENT_FLOAT32) return load_part((const global float *)from, count);
  ushort values[LANES];
  for (uint lane = 0; lane < LANES; lane++)
    values[lane] = lane < count ? ((const global ushort *)from)[lane] : 0;
  return decode(LOAD(values), type);
}

static void store_element_part(lanes value, global uchar *to, uint type, uint count) {
  if (type == DESCENT_FLOAT32) {
    store_part(value, (global float *)to, count);
    return;
  }
  ushort values[LANES];
  STORE(encode(value, type), values);
  for (uint lane = 0; lane < LANES; lane++)
    if (lane < count) ((global ushort *)to)[lane] = values[lane];
}
