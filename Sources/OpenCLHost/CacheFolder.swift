#if OpenCL
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A folder of results that are expensive to compute again: built programs, tuned launch shapes.
///
/// Any number of processes may use it at once: an entry is written to a temporary file in the same
/// folder and renamed, so a reader finds the old one, the new one, or none. A damaged entry, or one
/// of another key, counts as none. Entries are private to the user; see ``OpenFolder`` for the
/// folders that are trusted.
package struct CacheFolder: Sendable, Hashable {
  package let path: String

  package init(_ path: String) { self.path = path }

  /// The user's cache folder; nil if it is switched off or cannot be determined.
  ///
  /// `DESCENT_CACHE` is the folder, or `off`. If it is not set, the folder is `descent` in
  /// `XDG_CACHE_HOME`, or in `.cache` of `HOME`. A `DESCENT_CACHE` that begins with `~/` is in
  /// `HOME`. Any other relative path gives nil: it would depend on where a program is started.
  package static var user: CacheFolder? {
    func value(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
    return CacheFolder(
      chosen: value("DESCENT_CACHE"), xdg: value("XDG_CACHE_HOME"), home: value("HOME"))
  }

  /// The folder for these environment variables. An empty one counts as not set, and so does a
  /// relative `xdg` or `home`, as XDG's rules require.
  init?(chosen: String?, xdg: String?, home: String?) {
    func absolute(_ path: String?) -> String? {
      path.flatMap { $0.utf8.first == UInt8(ascii: "/") ? $0 : nil }
    }
    if let chosen, !chosen.isEmpty {
      let isInHome = chosen == "~" || chosen.utf8.starts(with: "~/".utf8)
      let whole = isInHome ? absolute(home).map { $0 + chosen.dropFirst() } : absolute(chosen)
      guard let whole, chosen != "off" else { return nil }
      path = whole
    } else if let xdg = absolute(xdg) {
      path = "\(xdg)/descent"
    } else if let home = absolute(home) {
      path = "\(home)/.cache/descent"
    } else {
      return nil
    }
  }

  /// The kinds of entries; each has its own folder.
  package enum Kind: String, Sendable {
    case programs, shapes

    /// The maximum size of all entries in bytes; above it the oldest are removed.
    var limit: Int { 64 << 20 }
  }

  /// The value that was last stored under the key; nil if it cannot be read completely.
  package func load(_ kind: Kind, key: String) -> [UInt8]? {
    guard let folder = try? OpenFolder(kind.rawValue, in: path, creating: false),
      let file = folder.contents(of: Self.name(key), limit: kind.limit)
    else { return nil }
    return CacheEntry.payload(of: file, key: key)
  }

  /// Stores `payload` under the key, and replaces an older value.
  ///
  /// - Throws: ``CacheFolderError``; the older value is still there then.
  package func store(
    _ payload: [UInt8], _ kind: Kind, key: String, limit: Int? = nil
  ) throws(CacheFolderError) {
    let limit = limit ?? kind.limit
    let entry = CacheEntry.file(key: key, payload: payload)
    let file = path(kind, key: key)
    guard entry.count <= limit else {
      throw CacheFolderError(path: file, reason: "\(entry.count) bytes are more than \(limit)")
    }
    let folder = try OpenFolder(kind.rawValue, in: path, creating: true)
    if let reason = folder.replace(Self.name(key), with: entry) {
      throw CacheFolderError(path: file, reason: reason)
    }
    folder.removeOldest(above: limit, keeping: Self.name(key))
  }

  /// Removes the entry, if there is one.
  package func remove(_ kind: Kind, key: String) {
    (try? OpenFolder(kind.rawValue, in: path, creating: false))?.remove(Self.name(key))
  }

  /// Removes every entry of the kind.
  package func removeAll(_ kind: Kind) {
    (try? OpenFolder(kind.rawValue, in: path, creating: false))?
      .removeOldest(above: 0, keeping: nil)
  }

  /// The path of the entry of a key.
  func path(_ kind: Kind, key: String) -> String {
    "\(folder(kind))/\(Self.name(key))"
  }

  private static func name(_ key: String) -> String {
    CacheEntry.hexadecimal(CacheEntry.hash(key.utf8))
  }

  func folder(_ kind: Kind) -> String { "\(path)/\(kind.rawValue)" }
}

/// An entry could not be stored.
package struct CacheFolderError: Error, Sendable, CustomStringConvertible {
  package var path: String
  package var reason: String

  package init(path: String, reason: String) { (self.path, self.reason) = (path, reason) }

  package var description: String { "cannot write \(path): \(reason)" }
}
#endif
