#if OpenCL
import Foundation
import Testing

@testable import OpenCLHost

/// The guarantees of the cache folder, tested in temporary folders.
@Suite struct CacheFolderTests {
  static let key = "device D\ndriver 1\ntext"
  static let payload = [UInt8]("what was built".utf8)

  @Test(
    "DESCENT_CACHE comes first, then XDG_CACHE_HOME, then HOME; relative paths are none"
  )
  func place() {
    func path(_ chosen: String?, _ xdg: String?, _ home: String?) -> String? {
      CacheFolder(chosen: chosen, xdg: xdg, home: home)?.path
    }
    #expect(path("/c", "/x", "/h") == "/c")
    #expect(path("~/c", "/x", "/h") == "/h/c")
    #expect(path("~", "/x", "/h") == "/h")
    #expect(path("~/c", "/x", "h") == nil)
    #expect(path("~/c", "/x", nil) == nil)
    #expect(path("~other/c", "/x", "/h") == nil)
    #expect(path("c", "/x", "/h") == nil)
    #expect(path("./c", "/x", "/h") == nil)
    #expect(path("off", "/x", "/h") == nil)
    #expect(path("", "/x", "/h") == "/x/descent")
    #expect(path(nil, "x", "/h") == "/h/.cache/descent")
    #expect(path(nil, "", "/h") == "/h/.cache/descent")
    #expect(path(nil, nil, "h") == nil)
    #expect(path(nil, nil, "") == nil)
    #expect(path(nil, nil, nil) == nil)
  }

  @Test("what was stored is loaded, by its key and kind, and for this user alone")
  func roundTrip() throws {
    try withCacheFolder { folder in
      #expect(folder.load(.programs, key: Self.key) == nil)
      try folder.store(Self.payload, .programs, key: Self.key)
      #expect(folder.load(.programs, key: Self.key) == Self.payload)
      #expect(folder.load(.shapes, key: Self.key) == nil)
      #expect(folder.load(.programs, key: Self.key + " ") == nil)
      try folder.store([], .programs, key: Self.key)
      #expect(folder.load(.programs, key: Self.key) == [])
      #expect(try mode(folder.path) == 0o700)
      #expect(try mode(folder.folder(.programs)) == 0o700)
      #expect(try mode(folder.path(.programs, key: Self.key)) == 0o600)
      #expect(try names(folder).count == 1)
      folder.remove(.programs, key: Self.key)
      #expect(try names(folder).isEmpty)
    }
  }

  @Test("an entry cut short anywhere counts as none")
  func truncated() throws {
    let file = CacheEntry.file(key: Self.key, payload: Self.payload)
    #expect(CacheEntry.payload(of: file, key: Self.key) == Self.payload)
    for count in file.indices {
      #expect(CacheEntry.payload(of: Array(file[..<count]), key: Self.key) == nil, "\(count)")
    }
    #expect(CacheEntry.payload(of: file + [0], key: Self.key) == nil)
  }

  @Test("an entry with any bit flipped counts as none")
  func flipped() throws {
    let file = CacheEntry.file(key: Self.key, payload: Self.payload)
    for index in file.indices {
      for bit in 0..<8 {
        var damaged = file
        damaged[index] ^= 1 << UInt8(bit)
        #expect(CacheEntry.payload(of: damaged, key: Self.key) == nil, "bit \(bit) of \(index)")
      }
    }
  }

  @Test("a file of another driver under this key's name counts as none, and is replaced")
  func otherKey() throws {
    try withCacheFolder { folder in
      let other = Self.key.replacing("driver 1", with: "driver 2")
      try folder.store([1], .programs, key: other)
      try FileManager.default.moveItem(
        atPath: folder.path(.programs, key: other), toPath: folder.path(.programs, key: Self.key))
      #expect(folder.load(.programs, key: Self.key) == nil)
      try folder.store([2], .programs, key: Self.key)
      #expect(folder.load(.programs, key: Self.key) == [2])
    }
  }

  @Test("what lies in the way is an error of storing, and nothing on loading")
  func unwritable() throws {
    try withCacheFolder { folder in
      // A file in place of a folder; root may write into any folder.
      try Data().write(to: URL(filePath: folder.path))
      #expect(folder.load(.programs, key: Self.key) == nil)
      let error = #expect(throws: CacheFolderError.self) {
        try folder.store(Self.payload, .programs, key: Self.key)
      }
      #expect(error?.description == "cannot write \(folder.path)/programs: Not a directory")
    }
    try withCacheFolder { folder in
      // A folder, and a FIFO without a writer, in place of an entry.
      let path = folder.path(.programs, key: Self.key)
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      #expect(folder.load(.programs, key: Self.key) == nil)
      #expect(throws: CacheFolderError.self) {
        try folder.store(Self.payload, .programs, key: Self.key)
      }
      #expect(try names(folder) == [URL(filePath: path).lastPathComponent])
      #expect(rmdir(path) == 0 && mkfifo(path, 0o600) == 0)
      #expect(folder.load(.programs, key: Self.key) == nil)
      try folder.store(Self.payload, .programs, key: Self.key)
      #expect(folder.load(.programs, key: Self.key) == Self.payload)
    }
  }

  @Test("a folder that others may write is not used")
  func untrusted() throws {
    try withCacheFolder { folder in
      try folder.store(Self.payload, .programs, key: Self.key)
      #expect(chmod(folder.folder(.programs), 0o770) == 0)
      #expect(folder.load(.programs, key: Self.key) == nil)
      #expect(throws: CacheFolderError.self) {
        try folder.store(Self.payload, .programs, key: Self.key)
      }
      #expect(chmod(folder.folder(.programs), 0o755) == 0)
      #expect(folder.load(.programs, key: Self.key) == Self.payload)
    }
  }

  @Test("a path that is relative, or that the system would cut short, is none")
  func paths() throws {
    for path in ["descent-relative", "~/x", "", "/tmp/descent\0x"] {
      #expect(CacheFolder(path).load(.programs, key: Self.key) == nil)
      let error = #expect(throws: CacheFolderError.self) {
        try CacheFolder(path).store(Self.payload, .programs, key: Self.key)
      }
      #expect(error?.reason == "allowed is an absolute path")
    }
    #expect(!FileManager.default.fileExists(atPath: "descent-relative"))
  }

  @Test("the last folder is no link, and links of this user's on the way to it are followed")
  func links() throws {
    try withCacheFolder { folder in
      try folder.store(Self.payload, .programs, key: Self.key)
      let (real, link) = (folder.folder(.programs), folder.path + "/moved")
      #expect(rename(real, link) == 0 && symlink(link, real) == 0)
      #expect(folder.load(.programs, key: Self.key) == nil)
      #expect(throws: CacheFolderError.self) {
        try folder.store(Self.payload, .programs, key: Self.key)
      }
      #expect(unlink(real) == 0 && rename(link, real) == 0)
      let other = CacheFolder(folder.path + "-link/deeper/..")
      #expect(symlink(folder.path, folder.path + "-link") == 0)
      defer { unlink(folder.path + "-link") }
      #expect(mkdir(folder.path + "/deeper", 0o700) == 0)
      #expect(other.load(.programs, key: Self.key) == Self.payload)
      // A loop of links is detected.
      let round = CacheFolder(folder.path + "/round")
      #expect(symlink("round", folder.path + "/round") == 0)
      let error = #expect(throws: CacheFolderError.self) {
        try round.store(Self.payload, .programs, key: Self.key)
      }
      #expect(error?.reason == "Too many levels of symbolic links")
    }
  }

  @Test("an entry that is a link, or that others may write, counts as none, and is replaced")
  func entries() throws {
    try withCacheFolder { folder in
      try folder.store(Self.payload, .programs, key: Self.key)
      let path = folder.path(.programs, key: Self.key)
      #expect(chmod(path, 0o620) == 0)
      #expect(folder.load(.programs, key: Self.key) == nil)
      #expect(chmod(path, 0o644) == 0)
      #expect(folder.load(.programs, key: Self.key) == Self.payload)
      #expect(rename(path, folder.path + "/entry") == 0)
      #expect(symlink(folder.path + "/entry", path) == 0)
      #expect(folder.load(.programs, key: Self.key) == nil)
      try folder.store([1], .programs, key: Self.key)
      #expect(folder.load(.programs, key: Self.key) == [1])
    }
  }

  @Test("below a folder that all may write nothing is used, unless that has the sticky bit")
  func ancestors() throws {
    try withCacheFolder { parent in
      let folder = CacheFolder(parent.path + "/a/b")
      try folder.store(Self.payload, .programs, key: Self.key)
      #expect(chmod(parent.path, 0o777) == 0)
      #expect(folder.load(.programs, key: Self.key) == nil)
      let error = #expect(throws: CacheFolderError.self) {
        try folder.store(Self.payload, .programs, key: Self.key)
      }
      let name = URL(filePath: parent.path).lastPathComponent
      #expect(
        error?.description == "cannot write \(folder.path)/programs: all users may write \(name); "
          + "allowed is that only with the sticky bit")
      #expect(chmod(parent.path, 0o1777) == 0)
      #expect(folder.load(.programs, key: Self.key) == Self.payload)
    }
  }

  @Test(
    "below another user's folder, and by another user's link, nothing is used",
    .enabled(if: geteuid() == 0, "only root can give a folder to another user"))
  func otherUsers() throws {
    try withCacheFolder { parent in
      let folder = CacheFolder(parent.path + "/a")
      try folder.store(Self.payload, .programs, key: Self.key)
      let link = parent.path + "/link"
      #expect(symlink(folder.path, link) == 0)
      #expect(CacheFolder(link).load(.programs, key: Self.key) == Self.payload)
      #expect(lchown(link, 4321, 0) == 0)
      #expect(CacheFolder(link).load(.programs, key: Self.key) == nil)
      for path in [parent.path, folder.path, folder.folder(.programs)] {
        #expect(chown(path, 4321, 0) == 0)
        #expect(folder.load(.programs, key: Self.key) == nil, "\(path)")
        #expect(throws: CacheFolderError.self) {
          try folder.store(Self.payload, .programs, key: Self.key)
        }
        #expect(chown(path, 0, 0) == 0)
      }
      #expect(chown(folder.path(.programs, key: Self.key), 4321, 0) == 0)
      #expect(folder.load(.programs, key: Self.key) == nil)
    }
  }

  @Test("a folder that is swapped while it is used stays the one that was checked")
  func swapped() throws {
    try withCacheFolder { folder in
      try folder.store(Self.payload, .programs, key: Self.key)
      let name = URL(filePath: folder.path(.programs, key: Self.key)).lastPathComponent
      let open = try OpenFolder("programs", in: folder.path, creating: false)
      let real = folder.folder(.programs)
      #expect(rename(real, real + "-real") == 0 && mkdir(real, 0o777) == 0)
      try Data([1, 2, 3]).write(to: URL(filePath: "\(real)/\(name)"))
      let file = try #require(open.contents(of: name, limit: 1000))
      #expect(CacheEntry.payload(of: file, key: Self.key) == Self.payload)
      #expect(open.replace(name, with: [4]) == nil)
      #expect(try Data(contentsOf: URL(filePath: "\(real)/\(name)")) == Data([1, 2, 3]))
      open.remove(name)
      #expect(try names(folder) == [name])
    }
  }

  @Test("above the limit the oldest entries go, and never the new one")
  func limit() throws {
    try withCacheFolder { folder in
      for (age, name) in ["d", "c", "b", "a"].enumerated() {
        try folder.store(Self.payload, .programs, key: name)
        let path = folder.path(.programs, key: name)
        try FileManager.default.setAttributes(
          [.modificationDate: Date(timeIntervalSinceNow: -60 * Double(age + 1))], ofItemAtPath: path
        )
      }
      let size = CacheEntry.file(key: "a", payload: Self.payload).count
      try folder.store(Self.payload, .programs, key: "e", limit: 3 * size)
      let left = ["a", "b", "c", "d", "e"].filter { folder.load(.programs, key: $0) != nil }
      #expect(left == ["c", "d", "e"])
      #expect(throws: CacheFolderError.self) {
        try folder.store(Self.payload, .programs, key: "f", limit: size - 1)
      }
      folder.removeAll(.programs)
      #expect(try names(folder).isEmpty)
    }
  }

  @Test("processes that write one entry at once never leave it torn")
  func concurrent() async throws {
    let path = FileManager.default.temporaryDirectory
      .appending(path: "descent-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    await withTaskGroup(of: Void.self) { group in
      for _ in 1...2 {
        group.addTask {
          await #expect(processExitsWith: .success) { [path = path as String] in
            let folder = CacheFolder(path)
            for round in 1...300 {
              let payload = [UInt8](repeating: UInt8(round & 255), count: 5000 + round)
              try folder.store(payload, .programs, key: CacheFolderTests.key)
              let found = try #require(folder.load(.programs, key: CacheFolderTests.key))
              try #require(
                found.count == 5000 + Int(found[0]) || found.count == 5256 + Int(found[0]))
            }
          }
        }
      }
    }
    #expect(try names(CacheFolder(path)).count == 1)
  }

  private func names(_ folder: CacheFolder) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.folder(.programs))
  }

  private func mode(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
  }
}

/// A cache folder that does not exist yet, and is removed after the body has run.
func withCacheFolder<Result>(_ body: (CacheFolder) throws -> Result) throws -> Result {
  let path = FileManager.default.temporaryDirectory
    .appending(path: "descent-\(UUID().uuidString)").path
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try body(CacheFolder(path))
}
#endif
