#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Splits a path into the folder and the name in it. Works on bytes, as the system does: a
/// Character may be a slash with a combining mark.
func split(_ path: String) -> (folder: String, name: String) {
  guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
  let folder = slash == path.startIndex ? "/" : String(path[..<slash])
  return (folder, String(path[path.utf8.index(after: slash)...]))
}

/// The path with its symbolic links resolved. The file that a link leads to need not exist yet.
/// Throws for a path with a NUL character and for a loop of links.
package func resolved(_ path: String) throws(SafetensorsError) -> String {
  try OpenFile.check(path)
  var path = path
  // Linux follows at most 40 links.
  for _ in 0..<40 {
    if let real = realpath(path, nil) {
      defer { free(real) }
      return String(cString: real)
    }
    let code = errno
    guard code == ENOENT, let target = linkTarget(path) else {
      if code == ELOOP { throw .system(call: "open", path: path, code: code) }
      return path
    }
    path = target.startsWithBytes("/") ? target : split(path).folder + "/" + target
  }
  throw .system(call: "open", path: path, code: ELOOP)
}

private func linkTarget(_ path: String) -> String? {
  var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
  let count = bytes.withUnsafeMutableBytes { readlink(path, $0.baseAddress!, $0.count) }
  return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
}

/// The names of the temporary files of `target`: `NAME.tmp-PID-N`, and `NAME.tmp-PID-N.K` for the
/// parts of a set. If NAME is too long for that, its beginning and its checksum replace it.
struct TemporaryNames {
  let target: String
  let folder: String
  private let prefix: String

  /// The maximum length of a file name in bytes.
  static let longestName = 255

  init(_ target: String) {
    self.target = target
    var name: String
    (folder, name) = split(target)
    // The prefix is followed by up to 7 digits of the process ID, 4 of the number and 6 of the
    // part.
    let room = Self.longestName - ".tmp-".utf8.count - 7 - 1 - 4 - 1 - 6
    if name.utf8.count > room {
      var check = CRC32()
      check.combine(name)
      var end = name.utf8.index(name.startIndex, offsetBy: room - 9)
      while end.samePosition(in: name.unicodeScalars) == nil { end = name.utf8.index(before: end) }
      name = name[..<end] + "~" + CRC32.text(check.value).droppingBytes(CRC32.prefix.utf8.count)
    }
    prefix = name + ".tmp-"
  }

  func path(_ number: Int) -> String { "\(folder)/\(prefix)\(getpid())-\(number)" }

  /// Makes a hard link to the target under one of these names. Nil if that fails, as on a file
  /// system without hard links.
  func link() -> String? {
    for number in 0..<1000 {
      if linkat(AT_FDCWD, target, AT_FDCWD, path(number), 0) == 0 { return path(number) }
      if errno != EEXIST { return nil }
    }
    return nil
  }

  /// Removes the temporary files that killed processes left of the targets, which are in one
  /// folder: files without a lock, and their parts. Must be called under the ``FolderLock``.
  static func removeLeftovers(of targets: [String]) {
    let all = targets.map { TemporaryNames($0) }
    let entries = entries(of: all.first?.folder ?? "") { name in
      all.contains { name.startsWithBytes($0.prefix) }
    }
    for names in all { names.removeLeftovers(among: entries) }
  }

  private func removeLeftovers(among entries: [String]) {
    for (owner, parts) in found(among: entries) {
      let path = "\(folder)/\(owner)"
      var lock: OpenFile?
      do throws(SafetensorsError) {
        lock = try OpenFile(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW)
      } catch {
        guard case .system(_, _, ENOENT) = error else { continue }
      }
      if let lock, flock(lock.descriptor, LOCK_EX | LOCK_NB) != 0 { continue }
      // After a transient error, such as too many open files, the next writer tries again.
      if lock != nil, (try? SafetensorsIndex.removeShards(path, of: target)) == nil { continue }
      for part in parts { unlink("\(folder)/\(part)") }
      unlink(path)
    }
  }

  private static func entries(of folder: String, where isWanted: (String) -> Bool) -> [String] {
    guard let entries = opendir(folder) else { return [] }
    defer { closedir(entries) }
    var names: [String] = []
    while let entry = readdir(entries) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if isWanted(name) { names.append(name) }
    }
    return names
  }

  /// The target's temporary files among the entries of the folder, each with its parts.
  private func found(among entries: [String]) -> [String: [String]] {
    var found: [String: [String]] = [:]
    for name in entries where name.startsWithBytes(prefix) {
      let rest = name.droppingBytes(prefix.utf8.count)
      let fields = rest.split(separator: ".", omittingEmptySubsequences: false)
      let numbers = (fields.first ?? "").split(separator: "-", omittingEmptySubsequences: false)
      guard fields.count <= 2, numbers.count == 2,
        (numbers + fields.dropFirst()).allSatisfy(Self.isNumber)
      else { continue }
      let owner = prefix + fields[0]
      found[owner, default: []] += fields.count == 2 ? [name] : []
    }
    return found
  }

  private static func isNumber(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
  }
}
