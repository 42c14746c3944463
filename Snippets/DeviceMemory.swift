import Descent

#if OpenCL
import OpenCLHost

if let device = Device.all.first {
  let queue = try CommandQueue(Context(device))
  let layout = try ParameterLayout(count: 1 << 20)
  let optimizer = try Optimizer(AdamW(learningRate: 3e-4), layout: layout, on: .openCL(queue))
  let parameters = try Buffer<Float>(queue.context, count: layout.count)
  let gradients = try Buffer<Float>(queue.context, count: layout.count)
  try parameters.fill(with: 1, on: queue)
  for _ in 1...3 {
    try gradients.fill(with: 0.5, on: queue)  // your own kernels, on the same queue
    try optimizer.enqueueStep(parameters, gradients: gradients)
  }
  print(try parameters.read(on: queue)[0], "on", optimizer.engineName)
}
#endif
