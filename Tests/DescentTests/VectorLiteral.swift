import Descent

/// A vector as a literal of numbers, `[1, 2]`, which by itself is an array of integers.
struct VectorLiteral: ExpressibleByArrayLiteral {
  let values: [Float]

  init(arrayLiteral values: Float...) { self.values = values }
}

extension Optimizer {
  func step(
    _ parameters: inout [Float], gradients: VectorLiteral, gradientScale: Double = 1
  ) throws {
    try step(&parameters, gradients: gradients.values, gradientScale: gradientScale)
  }

  func accumulate(_ gradients: VectorLiteral) throws { try accumulate(gradients.values) }

  func save(
    to path: String, parameters: VectorLiteral, naming: StateNaming = .descent
  ) throws {
    try save(to: path, parameters: parameters.values, naming: naming)
  }
}

extension UpdateRule {
  func update(
    _ parameters: inout [Float], gradients: VectorLiteral, states: inout [[Float]], step: Int
  ) throws {
    try update(&parameters, gradients: gradients.values, states: &states, step: step)
  }

  func delta(
    _ parameters: VectorLiteral, gradients: VectorLiteral, states: inout [[Float]],
    into deltas: inout [Float], step: Int
  ) throws {
    try delta(
      parameters.values, gradients: gradients.values, states: &states, into: &deltas, step: step)
  }
}
