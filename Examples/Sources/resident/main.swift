// A trainer that lives on an OpenCL device: its own kernels and Descent's updates follow one
// another on one queue, and the host waits once, at the end.
import Descent
import Digits
import Foundation
import OpenCLHost

let source = """
  // Softmax regression. The residual of a digit: softmax(Wx + b), less 1 at its class.
  kernel void forward(global const float *parameters, global const float *images,
                      global const int *labels, global float *residuals) {
    const int digit = get_global_id(0);
    const global float *bias = parameters + CLASSES * PIXELS;
    float z[CLASSES], top = -INFINITY, sum = 0.0f;
    for (int k = 0; k < CLASSES; k++) {
      z[k] = bias[k];
      for (int i = 0; i < PIXELS; i++)
        z[k] += parameters[k * PIXELS + i] * images[digit * PIXELS + i];
      top = fmax(top, z[k]);
    }
    for (int k = 0; k < CLASSES; k++) sum += z[k] = exp(z[k] - top);
    for (int k = 0; k < CLASSES; k++)
      residuals[digit * CLASSES + k] = z[k] / sum - (labels[digit] == k ? 1.0f : 0.0f);
  }

  // An item for each parameter: the sum over all digits.
  kernel void backward(global const float *images, global const float *residuals, int count,
                       global float *gradients) {
    const int index = get_global_id(0);
    const int isBias = index >= CLASSES * PIXELS;
    const int k = isBias ? index - CLASSES * PIXELS : index / PIXELS;
    float sum = 0.0f;
    for (int digit = 0; digit < count; digit++)
      sum += residuals[digit * CLASSES + k] * (isBias ? 1.0f : images[digit * PIXELS + index % PIXELS]);
    gradients[index] = sum;
  }
  """

guard let device = Device.all.first else {
  print("skipped: there is no OpenCL device")
  exit(0)
}
let digits = try Digits()
let queue = try CommandQueue(Context(device))
let context = queue.context

var layout = ParameterLayout()
try layout.append("weight", shape: [Digits.classes, Digits.pixels])
try layout.append("bias", shape: [Digits.classes])
let optimizer = try Optimizer(AdamW(learningRate: 0.02), layout: layout, on: .openCL(queue))
optimizer.clipping = .globalNorm(1)  // decided on the device, too

let parameters = try Buffer<Float>(context, count: layout.count)
let gradients = try Buffer<Float>(context, count: layout.count)
let residuals = try Buffer<Float>(context, count: digits.count * Digits.classes)
let images = try Buffer<Float>(context, copying: digits.images)
let labels = try Buffer<Int32>(context, copying: digits.labels.map { Int32($0) })
try parameters.fill(with: 0, on: queue)

let program = try Program(
  context, sources: [("softmax.cl", source)],
  options: "-cl-std=CL1.2 -DPIXELS=\(Digits.pixels) -DCLASSES=\(Digits.classes)")
let forward = try program.kernel(named: "forward")
for (index, buffer) in [parameters, images].enumerated() {
  try forward.setArgument(index, buffer)
}
try forward.setArgument(2, labels)
try forward.setArgument(3, residuals)
let backward = try program.kernel(named: "backward")
try backward.setArgument(0, images)
try backward.setArgument(1, residuals)
try backward.setArgument(2, Int32(digits.count))
try backward.setArgument(3, gradients)

for _ in 1...100 {
  let ran = try forward.enqueue(on: queue, global: digits.count)
  let ready = try backward.enqueue(on: queue, global: layout.count, after: [ran])
  try optimizer.enqueueStep(
    parameters, gradients: gradients, gradientScale: 1 / Double(digits.count), after: [ready])
}
var trained = try parameters.read(on: queue)
// Some rules update another point than the one to evaluate; for all others this changes nothing.
try optimizer.settle(&trained)
let accuracy = digits.accuracy { image in
  greatest(
    (0..<Digits.classes).map { k in
      zip(image, trained[(k * Digits.pixels)...]).reduce(
        trained[Digits.classes * Digits.pixels + k]
      ) { $0 + $1.0 * $1.1 }
    })
}
print("\(try optimizer.stepCount) steps on \(optimizer.engineName): \(accuracy * 100)% right")
require(accuracy > 0.9, "an accuracy above 0.9")
