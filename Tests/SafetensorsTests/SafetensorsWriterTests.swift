import DescentTestSupport
import Foundation
import Testing

@testable import Safetensors

/// The files on disk before, during and after a write.
@Suite struct SafetensorsWriterTests {
  private func writer(_ path: String) throws -> SafetensorsWriter {
    try SafetensorsWriter(path, tensors: [SafetensorsTensor("w", shape: [2])])
  }

  @Test("a writer that goes without a commit leaves what was there")
  func dropped() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      try saveTensors(path, [("w", [2], [1, 2])])
      do {
        let writer = try writer(path)
        try writer.append([3], to: "w")
        #expect(throws: SafetensorsError.count(tensor: "w", given: 4, expected: 8)) {
          try writer.commit()
        }
        #expect(throws: SafetensorsError.count(tensor: "w", given: 12, expected: 8)) {
          try writer.append([4, 5], to: "w")
        }
        #expect(try SafetensorsFile(path).floats("w") == [1, 2])
      }
      #expect(try folderContents(folder) == ["x.safetensors"])
      do {
        let writer = try writer(path)
        try writer.append([3, 4], to: "w")
        try writer.commit()
        #expect(throws: SafetensorsError.self) { try writer.commit() }
        #expect(throws: SafetensorsError.self) { try writer.append([], to: "w") }
      }
      #expect(try SafetensorsFile(path).floats("w") == [3, 4])
    }
  }

  @Test("what cannot be written is refused before anything is touched")
  func refusals() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      func refuses(
        _ message: String, _ tensors: [SafetensorsTensor] = [], path: String,
        metadata: [String: String] = [:], shardSize: Int = .max
      ) {
        #expect {
          _ = try SafetensorsWriter(
            path, tensors: tensors, metadata: metadata, shardSize: shardSize)
        } throws: {
          "\($0)".contains(message) && $0 is SafetensorsError
        }
      }
      let (a, b) = (
        try SafetensorsTensor("a", shape: [2]), try SafetensorsTensor("b", shape: [1])
      )
      refuses("\"a\": the name is taken", [a, b, a], path: path)
      for key in ["descent.format", "descent.checksum", "descent.set", "checksum:a"] {
        refuses("sets this metadata itself", path: path, metadata: [key: ""])
      }
      refuses("is no regular file", path: folder)
      refuses("is no regular file", path: "/dev/null")
      refuses("No such file or directory", path: folder + "/none/x.safetensors")
      refuses("ends in .safetensors", [a, b], path: folder + "/x", shardSize: 4)
      let huge = try SafetensorsTensor("huge", type: .uint8, shape: [.max])
      refuses("longer than can be counted", [a, huge], path: path)
      #expect(try folderContents(folder) == [])

      for (name, shape) in [
        ("", [1]), ("__metadata__", [1]), ("x", [-1]), ("x", [1 << 40, 1 << 40]),
        ("x", [.max]), ("x", [Int](repeating: 1, count: 65)),
      ] {
        #expect(throws: SafetensorsError.self) { try SafetensorsTensor(name, shape: shape) }
      }
      #expect(try SafetensorsTensor("x", shape: [.max, .max, 0]).count == 0)
      let writer = try SafetensorsWriter(
        path, tensors: [SafetensorsTensor("half", type: .float16, shape: [2])])
      #expect(
        throws: SafetensorsError.type(tensor: "half", found: .float16, allowed: [.float32])
      ) { try writer.append([1], to: "half") }
      #expect(throws: SafetensorsError.unknownTensor(file: path, name: "a")) {
        try writer.append([1], to: "a")
      }
    }
  }

  @Test("a folder that is missing is named")
  func missingFolder() throws {
    try withTemporaryFolder { folder in
      let none = folder + "/none"
      #expect(throws: SafetensorsError.system(call: "open", path: none, code: ENOENT)) {
        _ = try writer(none + "/x.safetensors")
      }
    }
  }

  @Test("what processes that were killed left behind goes, what another writes stays")
  func leftovers() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      for name in ["x.safetensors.tmp-1-0", "x.safetensors.tmp-99-7", "y.safetensors.tmp-1-0"] {
        try Data([1]).write(to: URL(filePath: folder + "/" + name))
      }
      let (first, second) = (try writer(path), try writer(path))
      #expect(try folderContents(folder).count == 3)
      try first.append([1, 2], to: "w")
      try second.append([3, 4], to: "w")
      try second.commit()
      #expect(try SafetensorsFile(path).floats("w") == [3, 4])
      try first.commit()
      #expect(try SafetensorsFile(path).floats("w") == [1, 2])
      #expect(try folderContents(folder) == ["x.safetensors", "y.safetensors.tmp-1-0"])
    }
  }

  @Test("permissions and symbolic links are kept")
  func modes() throws {
    try withTemporaryFolder { folder in
      let (path, link) = (folder + "/x.safetensors", folder + "/link.safetensors")
      func mode() throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0
      }
      try saveTensors(path, [])
      #expect(try mode() & 0o600 == 0o600 && mode() & 0o111 == 0)
      try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
      try saveTensors(path, [("w", [1], [1])])
      #expect(try mode() == 0o640)
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
      try saveTensors(link, [("w", [1], [2])])
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == path)
      #expect(try SafetensorsFile(path).floats("w") == [2])
    }
  }

  @Test("a disk that is full is an error, and leaves what was there and nothing else")
  func full() async {
    await #expect(processExitsWith: .success) {
      try withTemporaryFolder { folder in
        let path = folder + "/x.safetensors"
        try saveTensors(path, [("w", [1], [1])])
        // The maximum file size; larger writes fail as on a full disk.
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit(rlim_cur: 100_000, rlim_max: 100_000)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        do {
          let writer = try SafetensorsWriter(
            path, tensors: [SafetensorsTensor("w", shape: [50_000])])
          let values = [Float](repeating: 3, count: 50_000)
          do {
            try writer.append(values, to: "w")
            try #require(Bool(false), "it was written")
          } catch let SafetensorsError.system(call, _, code) {
            try #require(call == "pwrite" && code == EFBIG)
          }
          do {
            try writer.commit()
            try #require(Bool(false), "it was committed")
          } catch let SafetensorsError.misuse(reason) {
            try #require(reason.contains("File too large"))
          }
        }
        try #require(try folderContents(folder) == ["x.safetensors"])
        try #require(try SafetensorsFile(path).floats("w") == [1])
      }
    }
  }
}
