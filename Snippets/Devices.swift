import Descent

#if OpenCL
import OpenCLHost

// snippet.adopt
/// An optimizer that works where a trainer works already.
///
/// The three are the trainer's `cl_context`, `cl_command_queue` and `cl_mem`; each is retained.
func adopt(
  context: OpaquePointer, queue: OpaquePointer, parameters: OpaquePointer, layout: ParameterLayout
) throws -> (Optimizer, Buffer<Float>) {
  let context = try Context(retaining: context, queue: queue)
  let queue = try CommandQueue(retaining: queue, in: context)
  let parameters = try Buffer<Float>(
    context, retaining: parameters, offset: 0, count: layout.count)
  return (try Optimizer(AdamW(), layout: layout, on: .openCL(queue)), parameters)
}
// snippet.end

if let device = Device.all.first {
  let queue = try CommandQueue(Context(device))
  let layout = try ParameterLayout(count: 4096)
  let buffer = try Buffer<Float>(queue.context, count: layout.count)
  try buffer.fill(with: 1, on: queue)
  try queue.finish()
  let (optimizer, parameters) = try adopt(
    context: queue.context.rawHandle, queue: queue.rawHandle, parameters: buffer.rawHandle,
    layout: layout)
  let gradients = try Buffer<Float>(parameters.context, count: layout.count)

  // snippet.steps
  if let stepQueue = optimizer.queue {
    for _ in 1...3 {
      // Your kernels; whatever says when the gradient is there.
      let ready = try gradients.fill(with: 0.5, on: stepQueue)
      try optimizer.enqueueStep(parameters, gradients: gradients, after: [ready])
    }
    print(try parameters.read(on: stepQueue)[0])  // the first wait
  }
  // snippet.end

  // snippet.completion
  let updated = try optimizer.enqueueStep(parameters, gradients: gradients)
  try updated.wait()  // or, where a thread must not be held: try await updated.completion()
  // snippet.end

  // snippet.slices
  // Weights and biases in two parts of one buffer, gradients in one piece.
  let half = layout.count / 2
  try optimizer.enqueueStep(
    [parameters.slice(0..<half), parameters.slice(half..<layout.count)],
    gradients: [gradients.whole])
  // snippet.end
  try optimizer.queue?.finish()
}
#endif
