import Foundation

/// The handwritten digits of Examples/data: 64 pixels each, from 0 to 1, and a class from 0 to 9.
public struct Digits: Sendable {
  public static let pixels = 64
  public static let classes = 10

  /// One digit after another.
  public let images: [Float]
  public let labels: [Int]
  public var count: Int { labels.count }

  public init() throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../data/digits.csv")
    var (images, labels): ([Float], [Int]) = ([], [])
    for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
      let numbers = line.split(separator: ",").compactMap { Int($0) }
      guard numbers.count == Self.pixels + 1 else { continue }
      images += numbers.dropLast().map { Float($0) / 16 }
      labels += numbers.suffix(1)
    }
    (self.images, self.labels) = (images, labels)
  }

  /// The share of digits for which `classify` is right.
  public func accuracy(_ classify: (ArraySlice<Float>) -> Int) -> Double {
    let right = labels.indices.count { index in
      classify(images[index * Self.pixels..<(index + 1) * Self.pixels]) == labels[index]
    }
    return Double(right) / Double(count)
  }
}

/// The index of the greatest value.
public func greatest(_ values: some Collection<Float>) -> Int {
  values.enumerated().max { $0.element < $1.element }?.offset ?? 0
}

/// Numbers from −1 to 1 that are the same in every run: SplitMix64 (Steele, Lea & Flood 2014).
public func spread(_ count: Int, seed: UInt64) -> [Float] {
  var state = seed
  return (0..<count).map { _ in
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return Float((z ^ (z >> 31)) >> 40) / Float(1 << 23) - 1
  }
}

/// Ends the program where an example does not do what it says.
public func require(_ holds: Bool, _ what: String) {
  if holds { return }
  FileHandle.standardError.write(Data("failed: \(what)\n".utf8))
  exit(1)
}
