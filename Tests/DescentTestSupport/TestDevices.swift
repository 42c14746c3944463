import Descent
import Foundation
import Testing

#if OpenCL
import CDescentOpenCL
import OpenCLHost
#endif

extension Trait where Self == ConditionTrait {
  /// Skips aloud where no OpenCL device promises the same bits.
  package static var needsDevice: Self {
    #if OpenCL
    .enabled(
      if: !TestDevices.devices.isEmpty, "no OpenCL device that promises the same bits")
    #else
    .disabled("built without OpenCL")
    #endif
  }

  /// Skips aloud where the first of them allows only smaller work-groups: the test names shapes, or
  /// counts calls that a smaller shape adds.
  package static func needsGroups(of items: Int) -> Self {
    #if OpenCL
    .enabled(
      if: (TestDevices.devices.first?.maximumWorkGroupSize ?? 0) >= items,
      "no OpenCL device that promises the same bits and allows groups of \(items)")
    #else
    .disabled("built without OpenCL")
    #endif
  }

  /// The same where none of them has queues out of order.
  package static var needsQueueOutOfOrder: Self {
    #if OpenCL
    .enabled(
      if: (try? TestDevices.queuesOutOfOrder.get().isEmpty) != true,
      "no OpenCL device that promises the same bits and has queues out of order")
    #else
    .disabled("built without OpenCL")
    #endif
  }
}

#if OpenCL
/// The devices that tests run on. Without any they pass over nothing, and say so; where CI is set,
/// that is a failure.
package enum TestDevices {
  /// Those that promise the same bits.
  package static var devices: [Device] { working.filter(\.sameBits.isYes) }

  /// Those that can run anything.
  package static var working: [Device] { Device.all.filter { $0.isAvailable && $0.hasCompiler } }

  package static let queues: Result<[CommandQueue], any Error> = Result {
    try devices.map { try CommandQueue(Context($0)) }
  }

  /// A queue out of order for each device that has such.
  package static let queuesOutOfOrder: Result<[CommandQueue], any Error> = Result {
    try devices.filter(hasQueuesOutOfOrder).map { try queueOutOfOrder($0) }
  }

  private static func hasQueuesOutOfOrder(_ device: Device) -> Bool {
    var properties = cl_command_queue_properties(0)
    let size = MemoryLayout<cl_command_queue_properties>.size
    let status = clGetDeviceInfo(
      device.rawHandle, cl_device_info(CL_DEVICE_QUEUE_PROPERTIES), size, &properties, nil)
    let outOfOrder = cl_command_queue_properties(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)
    return status == CL_SUCCESS && properties & outOfOrder != 0
  }

  /// A trainer's queue out of order, and nothing of its own but what is adopted here.
  package static func queueOutOfOrder(
    _ device: Device, largestAllocation: Int? = nil
  ) throws -> CommandQueue {
    var (id, status) = (OpaquePointer?(device.rawHandle), cl_int(0))
    let context = try #require(clCreateContext(nil, 1, &id, nil, nil, &status))
    defer { clReleaseContext(context) }
    let outOfOrder = cl_command_queue_properties(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)
    let queue = try #require(
      clCreateCommandQueue(context, device.rawHandle, outOfOrder, &status))
    defer { clReleaseCommandQueue(queue) }
    let adopted = try Context(
      retaining: context, device: device, largestAllocation: largestAllocation)
    return try CommandQueue(retaining: queue, in: adopted)
  }
}

extension LaunchShape {
  /// A shape for tests, in groups no larger than the device allows.
  package init(lanes: Int, groupSize: Int, on device: Device) {
    self.init(lanes: lanes, groupSize: min(groupSize, device.maximumWorkGroupSize))
  }
}
#endif
