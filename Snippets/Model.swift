import Descent

// A model of one's own type: it hands its tensors to a visitor, where they lie.
struct Line: ParameterVisitable {
  var slope: [Float]
  var offset: Float = 0

  mutating func visitParameters(_ visitor: inout ParameterVisitor) {
    visitor.visit("slope", &slope)
    visitor.visit("offset", &offset)
  }
}

var line = Line(slope: [0, 0])
let optimizer = try Optimizer(Adam(learningRate: 0.1), layout: ParameterLayout(of: line))
for _ in 1...300 {
  // The gradient of ½(slope₀ − 2)² + ½(slope₁ + 1)² + ½(offset − 3)², in a model of the same type.
  var gradients = Line(slope: [line.slope[0] - 2, line.slope[1] + 1], offset: line.offset - 3)
  try optimizer.step(&line, zeroing: &gradients)
}
print(line)
