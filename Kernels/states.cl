// For kernels over parameters and STATES states, in OpenCL C: a work-group's block of GROUP × LANES
// consecutive elements, and a loop over the states that the preprocessor unrolls, since each state
// is an argument of its own.
#define BLOCK (GROUP * LANES)

#if PASS == DESCENT_NUMBERS ? STATES > DESCENT_MOST_NUMBERS : STATES > DESCENT_MOST_STATES
#error "more states than DESCENT_MOST_STATES or DESCENT_MOST_NUMBERS"
#endif

#define EACH_OF_0(DO)
#define EACH_OF_1(DO) DO(0)
#define EACH_OF_2(DO) EACH_OF_1(DO) DO(1)
#define EACH_OF_3(DO) EACH_OF_2(DO) DO(2)
#define EACH_OF_4(DO) EACH_OF_3(DO) DO(3)
#define EACH_OF_5(DO) EACH_OF_4(DO) DO(4)
#define EACH_OF_6(DO) EACH_OF_5(DO) DO(5)
#define EACH_OF_7(DO) EACH_OF_6(DO) DO(6)
#define EACH_OF_8(DO) EACH_OF_7(DO) DO(7)
#define EACH_OF_9(DO) EACH_OF_8(DO) DO(8)
#define EACH_OF_10(DO) EACH_OF_9(DO) DO(9)
#define EACH_OF_11(DO) EACH_OF_10(DO) DO(10)
#define EACH_OF_12(DO) EACH_OF_11(DO) DO(11)
#define EACH_OF_13(DO) EACH_OF_12(DO) DO(12)
#define EACH_OF_(count, DO) EACH_OF_##count(DO)
#define EACH_OF(count, DO) EACH_OF_(count, DO)

// DO(0) DO(1) … for every state.
#define EACH_STATE(DO) EACH_OF(STATES, DO)
