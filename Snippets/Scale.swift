#if OpenCL
// snippet.scale
import OpenCLHost

let source = """
  kernel void scale(global float *x, float by) { x[get_global_id(0)] *= by; }
  """
if let device = Device.all.first {  // no driver: an empty list, not an error
  let context = try Context(device)
  let queue = try CommandQueue(context)
  let buffer = try Buffer<Float>(context, copying: [1, 2, 3, 4])
  let program = try Program(context, sources: [("scale.cl", source)])
  let scale = try program.kernel(named: "scale")
  try scale.setArgument(0, buffer)
  try scale.setArgument(1, Float(10))
  let scaled = try scale.enqueue(on: queue, global: buffer.count)
  print(device.name, try buffer.read(on: queue, after: [scaled]))  // 10, 20, 30, 40
}
// snippet.end
#endif
