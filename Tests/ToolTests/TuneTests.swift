import DescentTestSupport

#if OpenCL
import ArgumentParser
import Foundation
import OpenCLHost
import Testing

@testable import Descent
@testable import descent_tool

@Suite struct TuneTests {
  private static func shape(_ lanes: Int, _ groupSize: Int) -> LaunchShape {
    LaunchShape(lanes: lanes, groupSize: groupSize)
  }

  @Test("the coarse pass tries all lanes, then all groups at the best two, and leaves three")
  func shortlist() {
    let search = ShapeSearch(standard: Self.shape(4, 256), maximumGroupSize: 512)
    var tried: [LaunchShape] = []
    let shortlist = search.shortlist { shape in
      tried.append(shape)
      // The more lanes the better, and groups of 128 best; the default is the best of all.
      if shape == search.standard { return 0.1 }
      return 100 / Double(shape.lanes) + abs(Double(shape.groupSize) - 128)
    }
    #expect(tried.count == search.coarseCount)
    #expect(Set(tried).count == tried.count)
    #expect(tried.prefix(5).map { $0.lanes } == [1, 2, 4, 8, 16])
    #expect(tried.dropFirst(5).allSatisfy { [4, 16].contains($0.lanes) })
    #expect(Set(tried.map { $0.groupSize }) == [64, 128, 256, 512])
    #expect(shortlist == [Self.shape(16, 128), Self.shape(4, 128), Self.shape(16, 64)])
  }

  @Test("shapes that the device refuses are passed over")
  func refused() {
    let search = ShapeSearch(standard: Self.shape(16, 256), maximumGroupSize: 4096)
    let shortlist = search.shortlist { $0.groupSize > 256 ? nil : Double($0.lanes) }
    #expect(shortlist == [Self.shape(1, 64), Self.shape(1, 128), Self.shape(1, 256)])
    #expect(search.shortlist { _ in nil }.isEmpty)
  }

  @Test("a shape is kept if it wins eight rounds of nine and gains 2%")
  func verdict() {
    let standard = [Double](repeating: 1.2, count: 9)
    let clear = ShapeVerdict(standard: standard, candidate: Array(repeating: 1, count: 9))
    #expect(clear.isClear && abs(clear.gain - 0.2) < 1e-12)
    #expect(clear.standardSeconds == 1.2 && clear.seconds == 1)
    func times(_ slow: Int, _ fast: Double = 1) -> [Double] {
      Array(repeating: 2, count: slow) + Array(repeating: fast, count: 9 - slow)
    }
    #expect(ShapeVerdict(standard: standard, candidate: times(1)).isClear)
    #expect(!ShapeVerdict(standard: standard, candidate: times(2)).isClear)
    #expect(ShapeVerdict(standard: standard, candidate: times(0, 1.17)).isClear)
    #expect(!ShapeVerdict(standard: standard, candidate: times(0, 1.18)).isClear)
    #expect(!ShapeVerdict(standard: standard, candidate: standard).isClear)
    #expect(!ShapeVerdict(standard: [], candidate: []).isClear)
    // Rounds are compared one by one, so a machine that slows down for all is no noise.
    let drift = (1...9).map(Double.init)
    #expect(ShapeVerdict(standard: drift.map { $0 * 1.1 }, candidate: drift).isClear)
  }

  @Test("tune measures, writes every documented key, and forgets", .needsDevice)
  func command() async throws {
    await #expect(processExitsWith: .success) {
      try inCacheFolderOfItsOwn { folder in
        let json = "\(folder.path).json"
        defer { try? FileManager.default.removeItem(atPath: json) }
        func run(_ arguments: String...) throws {
          var command = try DescentCommand.parseAsRoot(["tune", "--device", "opencl"] + arguments)
          try command.run()
        }
        try run("--rule", "sgd,adamw", "--count", "4099", "--json", json)
        let document = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: json)))
        let rows = try #require((document as? [String: Any])?["results"] as? [[String: Any]])
        try #require(rows.map { $0["kernel"] as? String } == ["sgd", "adam"])
        try #require(rows.map { $0["rule"] as? String } == ["sgd", "adamw"])
        for row in rows {
          try #require(
            Set(row.keys) == [
              "device", "description", "driver", "rule", "kernel", "count", "defaultLanes",
              "defaultGroup", "defaultSeconds", "lanes", "group", "seconds", "gainPercent", "kept",
              "reason",
            ])
          let kernel = try #require(row["kernel"] as? String)
          let kept = try #require(row["kept"] as? Bool)
          try #require((TunedShapes(of: Device.all[0])[kernel] != nil) == kept)
        }
        var shapes = TunedShapes(of: Device.all[0])
        for kernel in ["sgd", "adam", "momentum"] {
          shapes[kernel] = LaunchShape(lanes: 1, groupSize: 8)
        }
        try shapes.save()
        try run("--forget", "--rule", "sgd,adam")
        try #require(TunedShapes(of: Device.all[0]).text == "momentum 1 8\n")
        try run("--forget")
        try #require(TunedShapes(of: Device.all[0]).isEmpty)
      }
    }
  }

  @Test("what cannot be tuned is refused", .needsDevice)
  func refusals() async throws {
    await #expect(processExitsWith: .success) {
      try inCacheFolderOfItsOwn {
        func complaint(_ arguments: String...) -> String {
          do {
            var command = try DescentCommand.parseAsRoot(["tune"] + arguments)
            try command.run()
            return ""
          } catch {
            return DescentCommand.message(for: error)
          }
        }
        try #require(
          complaint("--device", "cpu") == "cpu has no launch shape: only OpenCL devices do")
        try #require(complaint("--count", "-1") == "--count is -1; allowed is 1 or more")
        try #require(complaint("--rule", "none").hasPrefix("there is no rule \"none\""))
        let most = Device.all[0].largestAllocation / 4
        try #require(
          complaint("--device", "opencl", "--count", "\(most + 1)")
            == "--count is \(most + 1); allowed on opencl:0 is 1 to \(most)")
        setenv("DESCENT_CACHE", "off", 1)
        try #require(complaint().hasPrefix("there is no folder to keep shapes in"))
      }
    }
  }
}
#endif
