#if OpenCL
import Foundation
import Testing

@testable import OpenCLHost

@Suite(.enabled(if: hasDevice, noDevice)) struct ProgramCacheTests {
  static let sources = [(name: "add.cl", text: ProgramTests.addOne)]
  static let options = "-DONE=5"

  /// What the program adds to a number.
  private func added(_ program: Program) throws -> Int32 {
    let queue = try CommandQueue(program.context)
    let buffer = try Buffer<Int32>(program.context, copying: [0])
    let kernel = try program.kernel(named: "addOne")
    try kernel.setArgument(0, buffer)
    try kernel.enqueue(on: queue, global: 1)
    return try buffer.read(on: queue)[0]
  }

  private func cached(_ device: Device, _ folder: CacheFolder?) throws -> Program {
    try Program.cached(
      Context(device), sources: Self.sources, options: Self.options, in: folder)
  }

  private func file(_ folder: CacheFolder) throws -> URL {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.folder(.programs))
    return URL(filePath: folder.folder(.programs)).appending(path: try #require(names.first))
  }

  @Test("a context builds a program once, and other options are another program")
  func memory() throws {
    for device in Device.all {
      let context = try Context(device)
      func program(_ options: String) throws -> Program {
        try Program.cached(context, sources: Self.sources, options: options, in: nil)
      }
      let (five, again, six) = (
        try program("-DONE=5"), try program("-DONE=5"), try program("-DONE=6")
      )
      #expect(five.rawHandle == again.rawHandle)
      #expect(five.rawHandle != six.rawHandle)
      #expect(try (added(five), added(again), added(six)) == (5, 5, 6))
    }
  }

  @Test("a context with cached programs is let go")
  func circle() throws {
    for device in Device.all {
      weak var context: Context?
      do { context = try cached(device, nil).context }
      #expect(context == nil)
    }
  }

  @Test("no more programs are held than there is room for")
  func room() throws {
    let context = try Context(#require(Device.all.first))
    let made = try Program.cached(context, sources: Self.sources, options: Self.options, in: nil)
    let cache = ProgramCache()
    var makes = 0
    func ask(_ number: Int) {
      _ = cache.program(ProgramCache.Key(text: "\(number)", options: "")) {
        makes += 1
        return made.handle
      }
    }
    for number in 0...ProgramCache.capacity { ask(number) }
    ask(1)
    #expect(makes == ProgramCache.capacity + 1)
    ask(0)
    #expect(makes == ProgramCache.capacity + 2)
  }

  @Test("a failed build throws, and is not remembered")
  func failure() throws {
    try withCacheFolder { folder in
      let context = try Context(#require(Device.all.first))
      for _ in 1...2 {
        _ = try refusal {
          _ = try Program.cached(context, sources: [("bad.cl", "kernel x")], in: folder)
        }
      }
      #expect(!FileManager.default.fileExists(atPath: folder.path))
    }
  }

  @Test("what one process built another loads")
  func disk() throws {
    for device in Device.all {
      try withCacheFolder { folder in
        #expect(try added(cached(device, folder)) == 5)
        // The binary of another program is stored under this key, to show that the stored one runs.
        let seven = try Program(
          Context(device), sources: Self.sources, options: "-DONE=7"
        ).binary()
        try folder.store(seven, .programs, key: key(device))
        #expect(try added(cached(device, folder)) == 7)
        #expect(try added(cached(device, nil)) == 5)
      }
    }
  }

  private func key(_ device: Device) -> String {
    "\(device.cacheKey)\noptions \(Self.options)\n\(Program.text(of: Self.sources))"
  }

  @Test("the key tells device and versions")
  func cacheKey() {
    for device in Device.all {
      for part in [
        device.name, device.platform.name, device.platform.version,
        "\ndriver \(device.driverVersion)",
      ] {
        #expect(device.cacheKey.contains(part))
      }
    }
  }

  @Test("damaged, foreign and senseless files are replaced in silence")
  func damaged() throws {
    for device in faithfulDevices {
      try withCacheFolder { folder in
        _ = try cached(device, folder)
        let file = try file(folder)
        let whole = try Data(contentsOf: file)
        for share in [0, 1, 10, 50, 99] {
          try whole.prefix(whole.count * share / 100).write(to: file)
          #expect(try added(cached(device, folder)) == 5, "cut to \(share)%")
          #expect(folder.load(.programs, key: key(device)) != nil, "cut to \(share)%")
        }
        for place in stride(from: 0, to: whole.count, by: whole.count / 7) {
          var flipped = whole
          flipped[place] ^= 4
          try flipped.write(to: file)
          #expect(try added(cached(device, folder)) == 5, "flipped at \(place)")
        }
        let foreign = key(device).replacing(device.driverVersion, with: "other")
        try Data(CacheEntry.file(key: foreign, payload: [1, 2, 3])).write(to: file)
        #expect(try added(cached(device, folder)) == 5)
        // Complete and of this key, but not a binary that the driver accepts.
        try folder.store(Array("nonsense".utf8), .programs, key: key(device))
        #expect(try added(cached(device, folder)) == 5)
        let kept = try #require(folder.load(.programs, key: key(device)))
        #expect(kept.count > 8)
      }
    }
  }

  @Test("where nothing can be kept, programs are built all the same")
  func unwritable() throws {
    try withCacheFolder { folder in
      try Data().write(to: URL(filePath: folder.path))
      #expect(try added(cached(#require(Device.all.first), folder)) == 5)
    }
    #expect(try added(cached(#require(Device.all.first), CacheFolder("/proc/none"))) == 5)
  }

  @Test("processes that build one program at once all get it")
  func concurrent() async throws {
    let path = FileManager.default.temporaryDirectory
      .appending(path: "descent-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    await withTaskGroup(of: Void.self) { group in
      for _ in 1...2 {
        group.addTask {
          await #expect(processExitsWith: .success) { [path = path as String] in
            let tests = ProgramCacheTests()
            for _ in 1...10 {
              let device = try #require(Device.all.first)
              let program = try tests.cached(device, CacheFolder(path))
              try #require(try tests.added(program) == 5)
            }
          }
        }
      }
    }
  }
}
#endif
