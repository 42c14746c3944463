internal import DescentKernels

/// Borrows all tensors of a model at once. If they are written, a first visit takes them and a
/// second gives them back; there are further visits if the model passes fewer tensors the second
/// time.
///
/// Meanwhile the model has a placeholder for each borrowed array, and the first element of numbers
/// and spans that are copied to be written back is changed. So a tensor that the model passes twice
/// is detected.
final class TensorLoan: TensorHost {
  /// Of more arrays the shortest are copied: each borrowed array takes a stack frame.
  static let mostArrays = 512

  /// The size of a stack frame, with a margin: 200 to 400 bytes where optimized, 1 KB elsewhere,
  /// and more under a sanitizer.
  #if DEBUG
  private static let frame = 4096
  #else
  private static let frame = 640
  #endif

  /// How many arrays may be borrowed on this thread, in half of the remaining stack.
  private static var arraysThatFit: Int {
    let left = descent_stack_left()
    return min(mostArrays, (left > 0 ? left : 1 << 16) / 2 / frame)
  }

  private let what: String
  private let tensors: [ParameterLayout.Tensor]
  private let writes: Bool
  /// Tensors that need have no elements, by name.
  private let mayBeMissing: Set<String>
  /// The maximum number of borrowed arrays, and the length of the shortest of them.
  private let mostLent: Int
  private let leastCount: Int

  /// The placeholder of a borrowed array in the model: not empty, since the model may test for
  /// that.
  private static let standIn: [Float] = [0]

  private var isReturning = false
  var needsShapes: Bool { !isReturning }
  var changes: Bool { isReturning && writes }

  private var error: DescentError?
  /// The number of tensors that this visit has passed.
  private var visited = 0
  /// Where each tensor was put, up to the first that could not be taken.
  private var places: [Place] = []
  /// Which of those are back.
  private var isBack: [Bool] = []
  private var backCount = 0
  /// Borrowed without a copy.
  private var arrays: [[Float]] = []
  /// Copied, and replaced in the model, so that it cannot pass them again.
  private var copiedArrays: [[Float]] = []
  /// The first element of memory that was copied, as bits, and the tensor's index.
  private var marks: [UnsafeMutablePointer<Float>: (bits: UInt32, index: Int)] = [:]
  /// Tensors that may have the memory of another, with that one's index and the mark that its
  /// memory then has.
  private var suspects: [(index: Int, other: Int, bits: UInt32)] = []
  private var isLooking = false
  /// Memory with a stable address.
  private var memories: [UnsafeRawBufferPointer] = []
  /// Copies of what cannot be borrowed, and the elements between tensors in the layout.
  private var copies: [Float] = []
  /// The vector, piece after piece.
  private var pieces: [Place] = []
  /// Where in the layout the pieces end.
  private var end = 0

  private enum Place {
    case array(Int)
    /// And the array that was copied, if it was one.
    case copy(Range<Int>, array: Int? = nil)
    case memory(UnsafeMutableBufferPointer<Float>)
    case missing
  }

  /// - Parameters:
  ///   - what: parameters or gradients, for messages.
  ///   - writes: whether the elements will be changed.
  ///   - mayBeMissing: tensors for which the model may pass an empty one.
  init(
    _ layout: ParameterLayout, of what: String, writes: Bool, mayBeMissing: Set<String> = []
  ) {
    (self.what, self.writes, self.mayBeMissing) = (what, writes, mayBeMissing)
    tensors = layout.tensors
    mostLent = min(tensors.count, Self.arraysThatFit)
    leastCount =
      mostLent == tensors.count
      ? 1 : mostLent == 0 ? .max : max(1, tensors.map(\.count).sorted(by: >)[mostLent - 1])
    places.reserveCapacity(tensors.count)
    pieces.reserveCapacity(tensors.count)
  }

  /// Calls `body` with the pieces of the model's vector, and throws before that unless the model's
  /// tensors are the layout's. The model has its tensors back in any case.
  func lend<Result>(
    _ model: inout some ParameterVisitable,
    _ body: ([UnsafeMutableBufferPointer<Float>]) throws -> Result
  ) throws -> Result {
    model.visit(self)
    if error == nil, visited < tensors.count {
      error = mismatch(tensors[visited].name, "do not have it: they end after \(visited) tensors")
    }
    if !suspects.isEmpty {
      isLooking = true
      model.visit(self)
      isLooking = false
    }
    let result = Swift.Result { () throws -> Result in
      if let error { throw error }
      return try lend(body)
    }
    if writes { giveBack(to: &model) }
    let value = try result.get()
    if error == nil, let lost = isBack.firstIndex(of: false) {
      error = mismatch(tensors[lost].name, "were not visited for it again, to give it back")
    }
    if let error { throw error }
    return value
  }

  /// Visits until all tensors are given back, or a visit gives back none.
  private func giveBack(to model: inout some ParameterVisitable) {
    isReturning = true
    isBack = Array(repeating: false, count: places.count)
    var before = -1
    while backCount < places.count && backCount > before {
      (before, visited) = (backCount, 0)
      model.visit(self)
    }
  }

  private func lend<Result>(
    _ body: ([UnsafeMutableBufferPointer<Float>]) throws -> Result
  ) rethrows -> Result {
    try copies.withUnsafeMutableBufferPointer { copies in
      try lending(&arrays, writing: writes) { arrays in
        try body(
          pieces.map { piece in
            switch piece {
            case .array(let index): arrays[index]
            case .memory(let memory): memory
            case .copy(let range, _): UnsafeMutableBufferPointer(rebasing: copies[range])
            case .missing: UnsafeMutableBufferPointer(start: nil, count: 0)
            }
          })
      }
    }
  }

  // MARK: Visits

  func visit(_ name: TensorName, _ shape: [Int], _ elements: inout [Float]) {
    if isLooking { return }
    if isReturning {
      guard let place = next(name) else { return }
      switch place {
      case .array(let index): swap(&elements, &arrays[index])
      case .copy(let range, let array):
        if let array { swap(&elements, &copiedArrays[array]) }
        if writes { elements.withUnsafeMutableBufferPointer { copy(range, to: $0) } }
      case .memory, .missing: break
      }
    } else if visited < tensors.count, elements.withUnsafeBufferPointer(Self.isStandIn) {
      handedOverTwice(name)
    } else if let tensor = tensor(name, shape, elements.count) {
      if elements.isEmpty { return takeMissing(tensor) }
      let taken = elements
      // Arrays that are only read stay in the model, which may pass one for several tensors.
      if writes { elements = Self.standIn }
      if taken.count < leastCount || arrays.count == mostLent {
        taken.withUnsafeBufferPointer {
          take(tensor, copying: $0, array: writes ? copiedArrays.count : nil)
        }
        if writes { copiedArrays.append(taken) }
      } else {
        arrays.append(taken)
        take(tensor, .array(arrays.count - 1))
      }
    }
  }

  private static func isStandIn(_ elements: UnsafeBufferPointer<Float>) -> Bool {
    standIn.withUnsafeBufferPointer { $0.baseAddress == elements.baseAddress }
  }

  func visit(
    _ name: TensorName, _ shape: [Int], _ elements: UnsafeMutableBufferPointer<Float>,
    _ memory: TensorMemory
  ) {
    if isLooking { return look(name, elements) }
    if isReturning {
      guard let place = next(name) else { return }
      if writes, case .copy(let range, _) = place { copy(range, to: elements) }
    } else if visited < tensors.count, memory == .lent, writes, isOut(elements) {
      handedOverTwice(name)
    } else if let tensor = tensor(name, shape, elements.count) {
      if elements.isEmpty {
        takeMissing(tensor)
      } else if memory == .stays {
        take(tensor, .memory(elements))
        memories.append(UnsafeRawBufferPointer(elements))
      } else {
        take(tensor, copying: UnsafeBufferPointer(elements))
        if memory == .lent && writes { mark(elements) }
      }
    }
  }

  /// Changes a bit of the first number, which is given back like all others.
  ///
  /// The mark of another tensor at the same address proves nothing yet: computed properties may use
  /// one address one after another, with numbers that differ by that bit. Such memory gets a second
  /// mark, and the other tensor is visited again.
  private func mark(_ elements: UnsafeMutableBufferPointer<Float>) {
    guard let start = elements.baseAddress else { return }
    var bits = start.pointee.bitPattern
    let index = places.count - 1
    if let mark = marks[start], mark.bits == bits {
      bits ^= 2
      suspects.append((index, mark.index, bits))
    } else {
      bits ^= 1
    }
    start.pointee = Float(bitPattern: bits)
    marks[start] = (bits, index)
  }

  /// Refuses the model if the tensor has the mark of another tensor at its address.
  private func look(_ name: TensorName, _ elements: UnsafeMutableBufferPointer<Float>) {
    guard let bits = elements.first?.bitPattern else { return }
    for suspect in suspects
    where suspect.bits == bits && name.matches(tensors[suspect.other].name) {
      // The copy made for it holds the other's elements, with its mark.
      places[suspect.index] = .missing
      handedOverTwice(tensors[suspect.index].name)
    }
  }

  /// Whether it overlaps memory with a stable address that was passed before.
  private func isOut(_ elements: UnsafeMutableBufferPointer<Float>) -> Bool {
    memories.contains { overlap($0, UnsafeRawBufferPointer(elements)) }
  }

  private func handedOverTwice(_ name: some CustomStringConvertible) {
    let reason = "have another tensor's memory for it; tied tensors are handed over once"
    error = error ?? mismatch("\(name)", reason)
  }

  /// The layout's tensor, if this is the one that comes next.
  private func tensor(_ name: TensorName, _ shape: [Int], _ count: Int) -> ParameterLayout.Tensor? {
    if error != nil { return nil }
    guard visited < tensors.count else {
      error = mismatch("\(name)", "are more than the layout's \(tensors.count) tensors")
      return nil
    }
    let tensor = tensors[visited]
    guard name.matches(tensor.name) else {
      error = mismatch(tensor.name, "have \"\(name)\" in its place")
      return nil
    }
    if count == 0, mayBeMissing.contains(tensor.name) {
      visited += 1
      return tensor
    }
    guard count > 0 || tensor.count == 0 else {
      error = mismatch(
        tensor.name,
        "are empty" + (what == "gradients" ? "; leftOut names tensors without a gradient" : ""))
      return nil
    }
    guard shape == tensor.shape else {
      error = mismatch(tensor.name, "have the shape \(shape); the layout has \(tensor.shape)")
      return nil
    }
    guard count == tensor.count else {
      error = mismatch(
        tensor.name, "have \(count) elements; the layout has \(tensor.count)")
      return nil
    }
    visited += 1
    return tensor
  }

  /// Where the tensor was put that is to go back, if it is one.
  private func next(_ name: TensorName) -> Place? {
    // Mostly the one that comes next.
    if visited >= places.count || !name.matches(tensors[visited].name) {
      guard let index = places.indices.first(where: { name.matches(tensors[$0].name) }) else {
        return nil
      }
      visited = index
    }
    visited += 1
    if isBack[visited - 1] { return nil }
    isBack[visited - 1] = true
    backCount += 1
    return places[visited - 1]
  }

  private func mismatch(_ name: String, _ reason: String) -> DescentError {
    .layout(name: name, reason: "the \(what) \(reason)")
  }

  // MARK: Places

  private func take(_ tensor: ParameterLayout.Tensor, _ place: Place) {
    append(gap: tensor.range.lowerBound - end)
    places.append(place)
    pieces.append(place)
    end = tensor.range.upperBound
  }

  private func take(
    _ tensor: ParameterLayout.Tensor, copying elements: UnsafeBufferPointer<Float>,
    array: Int? = nil
  ) {
    append(gap: tensor.range.lowerBound - end)
    let start = copies.count
    copies.append(contentsOf: elements)
    places.append(.copy(start..<copies.count, array: array))
    append(copied: start)
    end = tensor.range.upperBound
  }

  /// A tensor without elements, or one that is not read. The vector continues after it.
  private func takeMissing(_ tensor: ParameterLayout.Tensor) {
    append(gap: tensor.range.upperBound - end)
    places.append(.missing)
    end = tensor.range.upperBound
  }

  /// Elements between two tensors belong to no tensor, so they are a piece of zeros.
  private func append(gap: Int) {
    let start = copies.count
    copies.append(contentsOf: repeatElement(0, count: gap))
    append(copied: start)
  }

  /// Copies that follow one another are one piece.
  private func append(copied start: Int) {
    guard start < copies.count else { return }
    if case .copy(let last, _) = pieces.last, last.upperBound == start {
      pieces[pieces.count - 1] = .copy(last.lowerBound..<copies.count)
    } else {
      pieces.append(.copy(start..<copies.count))
    }
  }

  private func copy(_ range: Range<Int>, to elements: UnsafeMutableBufferPointer<Float>) {
    guard elements.count == range.count else {
      let tensor = tensors[visited - 1]
      error = error ?? mismatch(tensor.name, "have \(elements.count) elements when given back")
      return
    }
    copies.withUnsafeBufferPointer {
      _ = elements.update(fromContentsOf: $0[range])
    }
  }
}
