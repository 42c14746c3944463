import DescentTestSupport
import Verification

#if OpenCL
import Foundation
import OpenCLHost
import Testing

@testable import Descent

@Suite struct TunedShapesTests {
  @Test("lines that cannot be read are passed over")
  func parse() {
    let text = """
      adam 16 256
      sgd 4
      momentum four 64
      adagrad 4 64 1

      rmsprop 1 1024
      """
    #expect(
      TunedShapes.parse(text) == [
        "adam": LaunchShape(lanes: 16, groupSize: 256),
        "rmsprop": LaunchShape(lanes: 1, groupSize: 1024),
      ])
    #expect(TunedShapes.parse("").isEmpty)
  }

  @Test("what was saved is found again, until it is forgotten", .needsGroups(of: 16))
  func saved() throws {
    try withCacheFolder { folder in
      let device = try #require(TestDevices.devices.first)
      var shapes = TunedShapes(of: device, in: folder)
      #expect(shapes["adam"] == nil)
      shapes["adam"] = LaunchShape(lanes: 2, groupSize: 8)
      shapes["sgd"] = LaunchShape(lanes: 1, groupSize: 16)
      try shapes.save()
      let found = TunedShapes(of: device, in: folder)
      #expect(found["adam"] == LaunchShape(lanes: 2, groupSize: 8))
      #expect(found.text == "adam 2 8\nsgd 1 16\n")
      (shapes["adam"], shapes["sgd"]) = (nil, nil)
      try shapes.save()
      #expect(TunedShapes(of: device, in: folder).isEmpty)
      #expect(TunedShapes(of: device, in: nil).isEmpty)
    }
  }

  @Test("a shape that the device does not allow is not used", .needsDevice)
  func refused() throws {
    try withCacheFolder { folder in
      let device = try #require(TestDevices.devices.first)
      var shapes = TunedShapes(of: device, in: folder)
      shapes["adam"] = LaunchShape(lanes: 4, groupSize: device.maximumWorkGroupSize + 1)
      shapes["sgd"] = LaunchShape(lanes: 3, groupSize: 64)
      shapes["momentum"] = LaunchShape(lanes: 4, groupSize: 0)
      try shapes.save()
      let found = TunedShapes(of: device, in: folder)
      #expect(!found.isEmpty)
      #expect(found["adam"] == nil && found["sgd"] == nil && found["momentum"] == nil)
    }
  }

  @Test("a tuned shape that a kernel does not allow is reported as it is", .needsGroups(of: 8))
  func shrunk() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      CallLayer.load(layer, ["DESCENT_KERNEL_LIMIT": "4"])
      try inCacheFolderOfItsOwn { folder in
        let device = try #require(TestDevices.devices.first)
        var shapes = TunedShapes(of: device, in: folder)
        shapes["adam"] = LaunchShape(lanes: 2, groupSize: 8)
        try shapes.save()
        let optimizer = try Optimizer(
          Adam(), layout: ParameterLayout(count: 100), on: .openCL(device))
        try #require(
          optimizer.engineReason
            == "asked for; launched as tuned, but in the groups that the driver allows: "
            + "2 lanes × 4")
      }
    }
  }

  @Test("every kind of device has a shape that kernels can be built for")
  func table() {
    for type in [DeviceType.cpu, .gpu, .accelerator, .custom, []] {
      for vendor in ["NVIDIA Corporation", "Advanced Micro Devices, Inc.", "Intel", ""] {
        let shape = LaunchTable.shape(type: type, vendor: vendor, width: 0)
        #expect(LaunchShape.allowedLanes.contains(shape.lanes))
        #expect((1...256).contains(shape.groupSize))
      }
    }
    for (width, lanes) in [(0, 16), (1, 16), (4, 4), (8, 8), (16, 16)] {
      #expect(LaunchTable.shape(type: .cpu, vendor: "NVIDIA", width: width).lanes == lanes)
    }
    #expect(LaunchTable.shape(type: .gpu, vendor: "NVIDIA Corporation", width: 1).lanes == 4)
    for device in Device.all {
      #expect(throws: Never.self) { try LaunchShape(for: device).validate(on: device) }
    }
  }

  @Test(
    "an optimizer takes the tuned shape and says so, unless one is asked for", .needsGroups(of: 16))
  func engine() async throws {
    await #expect(processExitsWith: .success) {
      try inCacheFolderOfItsOwn {
        let device = try #require(TestDevices.devices.first)
        func optimizer(_ rule: any UpdateRule, _ shape: LaunchShape? = nil) throws -> Optimizer {
          try Optimizer(rule, layout: ParameterLayout(count: 9), on: .openCL(device, shape: shape))
        }
        try #require(try optimizer(Adam()).engineReason == "asked for")
        var shapes = TunedShapes(of: device)
        shapes["adam"] = LaunchShape(lanes: 2, groupSize: 8)
        try shapes.save()
        let tuned = try optimizer(AdamW())
        try #require(tuned.engineReason == "asked for; launched as tuned: 2 lanes × 8")
        try #require(tuned.engineName.hasSuffix(", 2 lanes)"))
        let queue = try CommandQueue(Context(device))
        let onQueue = try Optimizer(
          Adam(), layout: ParameterLayout(count: 9), on: .openCL(queue))
        try #require(onQueue.engineReason == tuned.engineReason)
        try #require(try optimizer(SGD()).engineReason == "asked for")
        let asked = try optimizer(Adam(), LaunchShape(lanes: 4, groupSize: 16))
        try #require(asked.engineReason == "asked for")
        try #require(asked.engineName.hasSuffix(", 4 lanes)"))
        setenv("DESCENT_CACHE", "off", 1)
        try #require(try optimizer(Adam()).engineReason == "asked for")
      }
    }
  }

  @Test("a program loaded from disk leaves the bits of the one that was built", .needsDevice)
  func loadedBits() async throws {
    await #expect(processExitsWith: .success) {
      try inCacheFolderOfItsOwn { folder in
        let vectors = Agreement.Vectors(count: Agreement.pinnedCount)
        var entries = 0
        for round in 1...2 {
          for device in Device.all where device.isAvailable && device.sameBits.isYes {
            let queue = try CommandQueue(Context(device))
            for rule in Rules.all {
              for variant in rule.variants {
                let digest = try Agreement(variant: variant, vectors: vectors)
                  .outcome(on: .openCL(queue)).digest.value
                try #require(digest == variant.digest, "\(variant.name), round \(round)")
              }
            }
          }
          let programs = try FileManager.default.contentsOfDirectory(
            atPath: "\(folder.path)/programs")
          if round == 1 { entries = programs.count }
          try #require(programs.count == entries && (entries > 5 || Device.all.isEmpty))
        }
      }
    }
  }
}
#endif
