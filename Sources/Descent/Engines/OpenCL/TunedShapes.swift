#if OpenCL
package import OpenCLHost

/// Launch shapes that `descent tune` found for one device under one version of its driver, by
/// kernel: `adam`, `momentum_nesterov`. They are kept in the user's cache folder.
package struct TunedShapes {
  private let device: Device
  private let folder: CacheFolder?
  private var shapes: [String: LaunchShape]

  /// The entries of the folder for the device; empty if it cannot be read.
  package init(of device: Device, in folder: CacheFolder? = .user) {
    (self.device, self.folder) = (device, folder)
    let bytes = folder?.load(.shapes, key: device.cacheKey) ?? []
    shapes = Self.parse(String(decoding: bytes, as: UTF8.self))
  }

  /// The kernel's shape, nil if none was found or the device does not allow it.
  package subscript(kernel: String) -> LaunchShape? {
    get {
      guard let shape = shapes[kernel], (try? shape.validate(on: device)) != nil else { return nil }
      return shape
    }
    set { shapes[kernel] = newValue }
  }

  package var isEmpty: Bool { shapes.isEmpty }

  /// Keeps the shapes for processes to come.
  package func save() throws(CacheFolderError) {
    guard let folder else { return }
    if isEmpty { return folder.remove(.shapes, key: device.cacheKey) }
    try folder.store(Array(text.utf8), .shapes, key: device.cacheKey)
  }

  /// A line for each kernel: `adam 16 256`.
  var text: String {
    shapes.sorted { $0.key < $1.key }
      .map { "\($0.key) \($0.value.lanes) \($0.value.groupSize)\n" }.joined()
  }

  /// The shapes of all lines that can be read.
  static func parse(_ text: String) -> [String: LaunchShape] {
    var shapes: [String: LaunchShape] = [:]
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count == 3, let lanes = Int(words[1]), let groupSize = Int(words[2]) else {
        continue
      }
      shapes[String(words[0])] = LaunchShape(lanes: lanes, groupSize: groupSize)
    }
    return shapes
  }
}
#endif
