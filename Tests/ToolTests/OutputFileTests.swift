import Foundation
import Testing

@testable import Figures
@testable import descent_tool

/// What is written where a path names something else than a regular file. Root could replace all of
/// it.
@Suite struct OutputFileTests {
  private func kind(_ path: String) throws -> mode_t {
    var status = stat()
    try #require(lstat(path, &status) == 0)
    return status.st_mode & S_IFMT
  }

  /// A substitute for `/dev/null` that a test may delete.
  private func device(_ folder: URL) throws -> String {
    let path = folder.appending(path: "null").path
    // The numbers of /dev/null.
    let made = mknod(path, S_IFCHR | 0o600, dev_t(1 << 8 | 3)) == 0
    return made ? path : "/dev/null"
  }

  private static let train = [
    "train", "--data", CommandTests.digits, "--epochs", "1", "--hidden", "2", "--device", "cpu",
  ]
  private static let bench = [
    "bench", "--rule", "sgd", "--device", "cpu", "--count", "9", "--rounds", "1",
  ]

  @Test(
    "a device node stays one, whatever a command writes to it",
    arguments: [
      Self.train + ["--plot"], Self.train + ["--json"],
      ["race", "--rule", "sgd", "--steps", "2", "--device", "cpu", "--output"],
      Self.bench + ["--plot"], Self.bench + ["--html"],
      ["verify", "--emit-cases"],
    ])
  func devices(_ arguments: [String]) throws {
    try withTemporaryFolder { folder in
      let path = try device(folder)
      var command = try DescentCommand.parseAsRoot(arguments + [path])
      try command.run()
      #expect(try kind(path) == S_IFCHR)
    }
  }

  @Test("figure writes through a link")
  func figures() throws {
    try withTemporaryFolder { folder in
      let figure = Figure.all[0].name
      let path = folder.appending(path: figure + ".svg").path
      #expect(symlink("drawn.svg", path) == 0)
      #expect(status("figure", figure, "--output-folder", folder.path) == 0)
      #expect(try kind(path) == S_IFLNK)
      let drawn = try String(contentsOf: folder.appending(path: "drawn.svg"), encoding: .utf8)
      #expect(drawn.hasPrefix("<svg"))
    }
  }

  @Test("a pipe is written in place, and whole")
  func pipe() async throws {
    let text = String(repeating: "0123456789", count: 100_000)
    let path = FileManager.default.temporaryDirectory.appending(
      path: "descent-\(UUID().uuidString)"
    )
    .path
    try #require(mkfifo(path, 0o600) == 0)
    defer { unlink(path) }
    let (found, continuation) = AsyncStream.makeStream(of: Data.self)
    // Of its own: the writer blocks its thread until a reader opens the pipe, and a task might wait
    // behind all other tests for another.
    Thread.detachNewThread {
      let reader = try? FileHandle(forReadingFrom: URL(filePath: path))
      continuation.yield((try? reader?.readToEnd()) ?? Data())
      continuation.finish()
    }
    try OutputFile(path: path).write(text)
    #expect(await found.first { _ in true } == Data(text.utf8))
    #expect(try kind(path) == S_IFIFO)
  }

  @Test("a relative link is one from the folder that it lies in, not from a link to that folder")
  func linkedFolders() throws {
    try withTemporaryFolder { folder in
      func path(_ name: String) -> String { folder.appending(path: name).path }
      #expect(mkdir(path("a"), 0o700) == 0 && mkdir(path("a/deep"), 0o700) == 0)
      #expect(symlink("a/deep", path("linked")) == 0)
      #expect(symlink("../file", path("a/deep/out")) == 0)
      for text in ["made", "replaced"] {
        try OutputFile(path: path("linked/out")).write(text)
        #expect(try String(contentsOfFile: path("a/file"), encoding: .utf8) == text)
      }
      #expect(!FileManager.default.fileExists(atPath: path("file")))
    }
  }

  @Test("a link is followed, also one to a file that is not there yet, and a loop is named")
  func links() throws {
    try withTemporaryFolder { folder in
      func path(_ name: String) -> String { folder.appending(path: name).path }
      #expect(mkdir(path("deep"), 0o700) == 0)
      #expect(symlink("deep/second", path("first")) == 0)
      #expect(symlink("../file", path("deep/second")) == 0)
      for text in ["made", "replaced"] {
        try OutputFile(path: path("first")).write(text)
        #expect(try kind(path("first")) == S_IFLNK && kind(path("deep/second")) == S_IFLNK)
        #expect(try String(contentsOfFile: path("file"), encoding: .utf8) == text)
      }
      #expect(symlink("loop", path("loop")) == 0)
      let error = #expect(throws: OutputError.self) {
        try OutputFile(path: path("loop"), content: "the drawing").write("x")
      }
      #expect(
        error?.description
          == "cannot write the drawing to \(path("loop")): Too many levels of symbolic links")
      #expect(try kind(path("loop")) == S_IFLNK)
    }
  }

  @Test("the file that standard output goes to is not taken away from it")
  func standardOutput() async throws {
    let path = FileManager.default.temporaryDirectory.appending(
      path: "descent-\(UUID().uuidString)"
    )
    .path
    defer { unlink(path) }
    await #expect(processExitsWith: .success) { [path = path as String] in
      let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
      try #require(file >= 0 && dup2(file, STDOUT_FILENO) == STDOUT_FILENO)
      try Console().print("before")
      try OutputFile(path: "/dev/stdout").write("drawing\n")
      try Console().print("after")
    }
    // The testing library writes there, too.
    let text = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
    #expect(text.contains("before\ndrawing\nafter\n"))
  }
}
