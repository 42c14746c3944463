#if OpenCL
import Foundation
import OpenCLHost
import Testing

@Suite struct ReadmeTests {
  @Test(.enabled(if: hasDevice, noDevice))
  func theExampleRuns() throws {
    // example-begin
    let source = """
      kernel void scale(global float *x, float by) { x[get_global_id(0)] *= by; }
      """
    guard let device = Device.all.first else { return }  // no driver: an empty list, not an error
    let context = try Context(device)
    let queue = try CommandQueue(context)
    let buffer = try Buffer<Float>(context, copying: [1, 2, 3, 4])
    let program = try Program(context, sources: [("scale.cl", source)])
    let scale = try program.kernel(named: "scale")
    try scale.setArgument(0, buffer)
    try scale.setArgument(1, Float(10))
    let scaled = try scale.enqueue(on: queue, global: buffer.count)
    print(device.name, try buffer.read(on: queue, after: [scaled]))  // 10, 20, 30, 40
    // example-end
    #expect(try buffer.read(on: queue) == [10, 20, 30, 40])
  }

  @Test func theReadmeShowsTheExample() throws {
    let tests = URL(filePath: #filePath)
    let example = try lines(of: tests).drop { $0 != "// example-begin" }.dropFirst()
      .prefix { $0 != "// example-end" }
    let readme = tests.deletingLastPathComponent().appending(
      path: "../../Sources/OpenCLHost/README.md")
    #expect(example.count > 10)
    #expect(
      try lines(of: readme).joined(separator: "\n").contains(example.joined(separator: "\n")))
  }

  private func lines(of file: URL) throws -> [String] {
    try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
      $0.trimmingCharacters(in: .whitespaces)
    }
  }
}
#endif
