#if OpenCL
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A folder of results that can be had again, at a price: built programs, tuned launch shapes.
///
/// Any number of processes may use it at once: an entry is written to a temporary file in the same
/// folder and renamed, so a reader finds the old one, the new one, or none. What is damaged or of
/// another key counts as none. Entries are private to the user; ``OpenFolder`` says which folders
/// are not trusted.
package struct CacheFolder: Sendable, Hashable {
  package let path: String

  package init(_ path: String) { self.path = path }

  /// The user's, or nil if it is switched off or there is no place for one.
  ///
  /// `DESCENT_CACHE` is the folder, or `off`; without it the folder is `descent` in
  /// `XDG_CACHE_HOME`, or in `.cache` of `HOME`. A `DESCENT_CACHE` that begins with `~/` is in
  /// `HOME`. Any other relative path is no folder: it would be another one wherever a program
  /// starts.
  package static var user: CacheFolder? {
    func value(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
    return CacheFolder(
      chosen: value("DESCENT_CACHE"), xdg: value("XDG_CACHE_HOME"), home: value("HOME"))
  }

  /// The folder by these settings. Empty ones count as not set, and so do paths that XDG's rules
  /// ignore, those that are not absolute.
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

  /// Kinds of entries; each has a folder of its own.
  package enum Kind: String, Sendable {
    case programs, shapes

    /// Bytes of all entries, above which the oldest are removed.
    var limit: Int { 64 << 20 }
  }

  /// What was last stored under the key, nil if that cannot be had whole.
  package func load(_ kind: Kind, key: String) -> [UInt8]? {
    guard let folder = try? OpenFolder(kind.rawValue, in: path, creating: false),
      let file = folder.contents(of: Self.name(key), limit: kind.limit)
    else { return nil }
    return CacheEntry.payload(of: file, key: key)
  }

  /// Keeps `payload` under the key, in place of what was there.
  ///
  /// - Throws: ``CacheFolderError``, when what was there before is there still.
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

  /// Where the entry of a key is.
  func path(_ kind: Kind, key: String) -> String {
    "\(folder(kind))/\(Self.name(key))"
  }

  private static func name(_ key: String) -> String {
    CacheEntry.hexadecimal(CacheEntry.hash(key.utf8))
  }

  func folder(_ kind: Kind) -> String { "\(path)/\(kind.rawValue)" }
}

/// An entry could not be kept.
package struct CacheFolderError: Error, Sendable, CustomStringConvertible {
  package var path: String
  package var reason: String

  package init(path: String, reason: String) { (self.path, self.reason) = (path, reason) }

  package var description: String { "cannot write \(path): \(reason)" }
}
#endif
