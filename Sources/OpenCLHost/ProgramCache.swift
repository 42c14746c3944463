#if OpenCL
import Synchronization

/// The programs that were built in a context, shared by all users of the context.
///
/// The context owns it. It holds the driver's handles and no `Program`, which would retain the
/// context (a reference cycle).
final class ProgramCache: Sendable {
  struct Key: Hashable {
    var text: String
    var options: String
  }

  /// The maximum number of programs. The oldest is evicted; it stays valid for its users.
  static let capacity = 64

  private let programs = Mutex<[(key: Key, handle: ProgramHandle)]>([])

  /// The program of this key, made by `make` if there is none. Other threads wait meanwhile, so
  /// that nothing is built twice.
  func program(_ key: Key, make: () throws -> ProgramHandle) rethrows -> ProgramHandle {
    try programs.withLock { programs in
      if let known = programs.first(where: { $0.key == key }) { return known.handle }
      let made = try make()
      if programs.count == Self.capacity { programs.removeFirst() }
      programs.append((key, made))
      return made
    }
  }
}

/// Where a program comes from.
package enum ProgramOrigin: String, Sendable {
  /// Built from its sources.
  case built
  /// Loaded from the cache folder.
  case loaded
}

extension Program {
  /// As `init(_:sources:options:)`, but built at most once in a context, and loaded from `folder`
  /// if an earlier process stored it there. Its kernels compute the same bits either way.
  ///
  /// It is not an error if the cache cannot be read or written, or the binary not be loaded: then
  /// the program is built. Only a failing build throws. A loaded program has no `buildLog`. `tell`
  /// is called with the origin of a program that was not in the context's cache.
  package static func cached(
    _ context: Context, sources: [(name: String, text: String)], options: String = "",
    in folder: CacheFolder? = .user, tell: (ProgramOrigin) -> Void = { _ in }
  ) throws -> Program {
    try DriverProcess.require()
    let text = text(of: sources)
    // Call back outside the lock: the callback may re-enter.
    var origin: ProgramOrigin?
    let handle = try context.programs.program(ProgramCache.Key(text: text, options: options)) {
      guard let folder else {
        let program = try Program(context, sources: sources, options: options)
        origin = .built
        return program.handle
      }
      let key = "\(context.device.cacheKey)\noptions \(options)\n\(text)"
      if let program = load(context, folder, key, options) {
        origin = .loaded
        return program.handle
      }
      let program = try Program(context, sources: sources, options: options)
      origin = .built
      if let binary = try? program.binary(), !binary.isEmpty {
        try? folder.store(binary, .programs, key: key)
      }
      return program.handle
    }
    if let origin { tell(origin) }
    return Program(context, built: handle)
  }

  private static func load(
    _ context: Context, _ folder: CacheFolder, _ key: String, _ options: String
  ) -> Program? {
    guard let binary = folder.load(.programs, key: key),
      let program = try? Program(context, binary: binary, options: options),
      // A driver may accept a binary that has no kernel that it can run.
      let names = try? program.kernelNames, !names.isEmpty
    else { return nil }
    return program
  }
}

extension Device {
  /// Identifies this device and this version of its driver, for which a binary or a measurement is
  /// valid.
  package var cacheKey: String {
    "platform \(platform.name), \(platform.version)\n"
      + "device \(name), \(vendor), \(version)\ndriver \(driverVersion)"
  }
}
#endif
