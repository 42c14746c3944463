import DescentTestSupport
import Foundation
import Testing

@testable import Safetensors

/// The contents of a folder after concurrent writers, killed writers, and writers through links.
@Suite struct SafetensorsLeftoverTests {
  private static func values(_ value: Float) -> [(name: String, shape: [Int], values: [Float])] {
    (0..<4).map { ("t\($0)", [2], [value, value]) }
  }

  private static func save(_ path: String, _ value: Float, size: Int) throws {
    try saveTensors(path, values(value), metadata: ["v": "\(value)"], shardSize: size)
  }

  /// The value at the path, after everything was read and verified.
  private static func load(_ path: String) throws -> Float {
    let reader = try SafetensorsReader(path)
    try reader.verify()
    let value = try #require(Float(reader.metadata["v"] ?? ""))
    for (name, _, values) in values(value) { try #require(try reader.floats(name) == values) }
    return value
  }

  @Test("only the package's own names are taken for left behind")
  func foreignNames() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      let own = ["tmp-1-0", "tmp-99-12", "tmp-7-0.1", "tmp-8-1.00002"].map {
        "run.safetensors." + $0
      }
      let others =
        [
          "tmp-notes.txt", "tmp-", "tmp-1", "tmp-1-", "tmp--1", "tmp-1-0.txt", "tmp-1-0.",
          "tmp-1-0.1.2",
          "tmp-1-0 ", "tmp-1-٣", "tmp-1-0\u{301}", "tmp-1-2-3",
        ].map { "run.safetensors." + $0 } + ["xrun.safetensors.tmp-1-0", "run.safetensors.TMP-1-0"]
      for name in own + others { try Data([1]).write(to: URL(filePath: folder + "/" + name)) }
      try Self.save(path, 1, size: .max)
      #expect(try Set(folderContents(folder)) == Set(others + ["run.safetensors"]))
    }
  }

  @Test("several writers of one path leave one set, whole")
  func together() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/m.safetensors"
      try Self.save(path, 0, size: 8)
      // Begun together, and committed one after another.
      let writers = try (1...3).map { value in
        let writer = try SafetensorsWriter(
          path, tensors: Self.values(0).map { try SafetensorsTensor($0.name, shape: $0.shape) },
          metadata: ["v": "\(Float(value))"], shardSize: [8, 16, .max][value - 1])
        for (name, _, values) in Self.values(Float(value)) { try writer.append(values, to: name) }
        return writer
      }
      for (writer, value) in zip(writers, 1...3) {
        try writer.commit()
        #expect(try Self.load(path) == Float(value))
      }
      #expect(try folderContents(folder) == ["m.safetensors"])
      // Committed concurrently.
      for _ in 0..<5 {
        DispatchQueue.concurrentPerform(iterations: 8) { value in
          do {
            try Self.save(path, Float(value), size: [8, 16, .max][value % 3])
          } catch {
            Issue.record(error)
          }
        }
        _ = try Self.load(path)
        try Self.save(path, 9, size: 8)
        #expect(try Self.load(path) == 9)
        #expect(try folderContents(folder).count == 5)
      }
    }
  }

  @Test("what a save of shards leaves when it is killed at any place goes with the next save")
  func killed() throws {
    for size in [Int.max, 8, 16] {
      try withTemporaryFolder { folder in
        let (path, killed) = (folder + "/m.safetensors", folder + "/killed")
        try FileManager.default.createDirectory(atPath: killed, withIntermediateDirectories: false)
        try Self.save(path, 1, size: 8)
        let index = "m.safetensors.index.json"
        // Killed before the index was renamed: some shards are renamed.
        try Self.save(killed + "/m.safetensors", 2, size: 8)
        for (from, to) in [
          (index, index + ".tmp-1-0"),
          ("m-00001-of-00004.safetensors", "m.2-00001-of-00004.safetensors"),
          ("m-00002-of-00004.safetensors", "m.2-00002-of-00004.safetensors"),
          ("m-00003-of-00004.safetensors", index + ".tmp-1-0.3"),
          ("m-00004-of-00004.safetensors", index + ".tmp-1-0.4"),
        ] {
          var data = try Data(contentsOf: URL(filePath: killed + "/" + from))
          if from == index {
            let text = String(decoding: data, as: UTF8.self)
            data = Data(text.replacingOccurrences(of: "\"m-", with: "\"m.2-").utf8)
          }
          try data.write(to: URL(filePath: folder + "/" + to))
        }
        // A shard of another set, although its name matches.
        try saveTensors(folder + "/m.2-00004-of-00004.safetensors", [("other", [1], [1])])
        // Killed after the index was renamed: the old set still exists.
        try Self.save(killed + "/m.safetensors", 3, size: 16)
        let old = try Data(contentsOf: URL(filePath: killed + "/" + index))
        try old.write(to: URL(filePath: folder + "/" + index + ".tmp-1-1"))
        for name in ["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"] {
          try FileManager.default.copyItem(
            atPath: killed + "/" + name, toPath: folder + "/" + name)
        }
        #expect(try Self.load(path) == 1)
        try Self.save(path, 4, size: size)
        #expect(try Self.load(path) == 4)
        let names = try folderContents(folder)
        #expect(
          names.filter { !$0.hasPrefix("m") || $0.contains("tmp") } == ["killed"], "\(names)")
        #expect(names.count == 2 + (size == .max ? 1 : size == 8 ? 5 : 3), "\(names)")
        #expect(names.contains("m.2-00004-of-00004.safetensors"))
      }
    }
  }

  @Test("shards of another path with a name such as NAME.2 stay")
  func generations() throws {
    try withTemporaryFolder { folder in
      for _ in 0..<3 {
        for (name, value) in [("m", 1), ("m.2", 2), ("m.3", 3)] as [(String, Float)] {
          try Self.save(folder + "/\(name).safetensors", value, size: 8)
        }
        for (name, value) in [("m", 1), ("m.2", 2), ("m.3", 3)] as [(String, Float)] {
          #expect(try Self.load(folder + "/\(name).safetensors") == value)
        }
      }
      #expect(try folderContents(folder).count == 15)
    }
  }

  @Test("a link keeps its place though nothing is there that it leads to")
  func danglingLinks() throws {
    try withTemporaryFolder { folder in
      try FileManager.default.createDirectory(
        atPath: folder + "/in", withIntermediateDirectories: false)
      let files = FileManager.default
      func link(_ name: String, to target: String) throws -> String {
        try files.createSymbolicLink(
          atPath: folder + "/" + name, withDestinationPath: target)
        return folder + "/" + name
      }
      let absolute = try link("a.safetensors", to: folder + "/in/a.safetensors")
      let relative = try link("b.safetensors", to: "in/b.safetensors")
      let chain = try link("c.safetensors", to: "c2.safetensors")
      _ = try link("c2.safetensors", to: "in/c.safetensors")
      for path in [absolute, relative, chain] {
        let target = try files.destinationOfSymbolicLink(atPath: path)
        try Self.save(path, 1, size: .max)
        #expect(try files.destinationOfSymbolicLink(atPath: path) == target)
        #expect(try Self.load(path) == 1)
      }
      #expect(
        try folderContents(folder + "/in") == ["a.safetensors", "b.safetensors", "c.safetensors"])
      let loop = try link("d.safetensors", to: "d.safetensors")
      #expect(throws: SafetensorsError.system(call: "open", path: loop, code: ELOOP)) {
        try Self.save(loop, 1, size: .max)
      }
      let nowhere = try link("e.safetensors", to: "none/e.safetensors")
      #expect {
        try Self.save(nowhere, 1, size: .max)
      } throws: {
        "\($0)".contains("/none: open: No such file or directory")
      }
      #expect(try files.destinationOfSymbolicLink(atPath: nowhere) == "none/e.safetensors")
    }
  }

  @Test("a save ends, and is whole, while another program keeps its folder locked")
  func lockedFolder() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/m.safetensors"
      let descriptor = open(folder, O_RDONLY | O_DIRECTORY)
      defer { close(descriptor) }
      try #require(flock(descriptor, LOCK_EX) == 0)
      // If a save waits for the lock, this ends the wait, and the test fails.
      let end = DispatchWorkItem { flock(descriptor, LOCK_UN) }
      DispatchQueue.global().asyncAfter(deadline: .now() + 60, execute: end)
      defer { end.cancel() }
      try Self.save(path, 1, size: 8)
      #expect(try Self.load(path) == 1)
      #expect(FolderLock(folder, upTo: .zero).folder == nil)
    }
  }

  @Test("a lock ends though a child process has a copy of its descriptor")
  func copiedLock() throws {
    try withTemporaryFolder { folder in
      let lock = FolderLock(folder)
      let copy = dup(try #require(lock.folder).descriptor)
      defer { close(copy) }
      #expect(FolderLock(folder, upTo: .zero).folder == nil)
      lock.unlock()
      #expect(FolderLock(folder, upTo: .zero).folder != nil)
    }
  }

  @Test("no shard is removed while the index that may need it cannot be read")
  func unreadableIndex() throws {
    try withTemporaryFolder { folder in
      let (path, files) = (folder + "/m.safetensors", FileManager.default)
      try Self.save(path, 1, size: 8)
      let index = folder + "/m.safetensors.index.json"
      // The state that a commit leaves when it is killed before the index is renamed.
      try files.copyItem(atPath: index, toPath: index + ".tmp-1-0")
      let text = try Data(contentsOf: URL(filePath: index))
      let names = try folderContents(folder)
      try Data("{".utf8).write(to: URL(filePath: index))
      TemporaryNames.removeLeftovers(of: [index])
      #expect(try folderContents(folder) == names)
      // The leftovers are removed when the index can be read.
      try text.write(to: URL(filePath: index))
      TemporaryNames.removeLeftovers(of: [index])
      #expect(try folderContents(folder) == names.filter { !$0.contains("tmp") })
      #expect(try Self.load(path) == 1)
    }
  }

  @Test("sets of more shards than a process may have open files")
  func descriptors() async {
    await #expect(processExitsWith: .success) {
      try withTemporaryFolder { folder in
        let path = folder + "/m.safetensors"
        var limit = rlimit(rlim_cur: 64, rlim_max: 64)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let values = (0..<200).map { ("t\($0)", [2], [Float($0), 1]) }
        let tensors = try values.map { try SafetensorsTensor($0.0, shape: $0.1) }
        let writer = try SafetensorsWriter(path, tensors: tensors, shardSize: 8)
        // In pieces, so that each shard is opened again.
        for element in 0..<2 {
          for (name, _, values) in values { try writer.append([values[element]], to: name) }
        }
        try writer.commit()
        let reader = try SafetensorsReader(path)
        try reader.verify()
        try #require(reader.files.count == 200)
        for (name, _, values) in values { try #require(try reader.floats(name) == values) }
        // The shard is no longer the file whose header was read.
        let shard = reader.files[150].path
        try Data(contentsOf: URL(filePath: shard)).write(to: URL(filePath: shard))
        do {
          _ = try reader.files[150].floats(reader.files[150].tensors[0].name)
          try #require(Bool(false), "it was read")
        } catch let SafetensorsError.misuse(reason) {
          try #require(reason.contains("was replaced or changed since it was opened"))
        }
      }
    }
  }
}
