// Schedule-Free SGD (Defazio et al. 2024, arXiv:2405.15682, equations 3 to 5)
//
//   y ← y − (C (y − z) + η (1 − β (1 − C)) g)
//   z ← z − η g
//
// The parameters are y, where the gradients are taken; C is the weight of this step in the average.
// That average is x = y + (1 − β)/β · (y − z), and is not stored.
//
// The same rule in Swift: Sources/Descent/Rules/ScheduleFreeSGD.swift
typedef struct {
  float weight, stepSize, rate;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *z = state;
  const lanes step = s.weight * (x - *z) + s.stepSize * g;
  *z = *z - s.rate * g;
  return step;
}
