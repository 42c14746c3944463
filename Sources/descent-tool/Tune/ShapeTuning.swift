#if OpenCL
import Descent
import OpenCLHost
import Verification

/// The search for one kernel's launch shape on one device.
struct ShapeTuning {
  let variant: RuleVariant
  let device: Device
  let count: Int
  let rounds = 9

  /// What was found: the best shape besides the default, and how it compares.
  struct Outcome {
    var standard: LaunchShape
    var shape: LaunchShape
    var verdict: ShapeVerdict
    /// Whether the shape leaves other bits than the default, so that it must not be used.
    var differs = false

    var isKept: Bool { verdict.isClear && !differs }
  }

  /// - Parameter progress: is called with how much of the work is done.
  func run(_ progress: (_ done: Int, _ total: Int) -> Void) throws -> Outcome {
    let search = ShapeSearch(
      standard: LaunchShape(for: device), maximumGroupSize: device.maximumWorkGroupSize)
    let total = search.coarseCount + rounds
    let queue = try CommandQueue(Context(device))
    var timer = try ShapeTimer(variant.rule, count: count, queue: queue)
    let standard = try timer.optimizer(search.standard)
    try timer.calibrate(standard)

    var tried = 0
    let shortlist = try search.shortlist { shape in
      progress(tried, total)
      tried += 1
      do {
        let optimizer = try timer.optimizer(shape)
        // The least of three: a disturbance only ever adds.
        return try (1...3).map { _ in try timer.seconds(optimizer) }.min()
      } catch is OpenCLError {
        // A kernel may allow smaller groups than the device.
        return nil
      }
    }
    let optimizers = try [standard] + shortlist.map(timer.optimizer)
    var times = optimizers.map { _ in [Double]() }
    for round in 0..<rounds {
      progress(search.coarseCount + round, total)
      for index in optimizers.indices { times[index].append(try timer.seconds(optimizers[index])) }
    }
    let best = times.indices.dropFirst()
      .min { ShapeVerdict.median(times[$0]) < ShapeVerdict.median(times[$1]) }
    let verdict = ShapeVerdict(standard: times[0], candidate: times[best ?? 0])
    let shape = best.map { shortlist[$0 - 1] } ?? search.standard
    var outcome = Outcome(standard: search.standard, shape: shape, verdict: verdict)
    if outcome.isKept { outcome.differs = try !leavesSameBits(shape, search.standard, queue) }
    return outcome
  }

  /// Whether both shapes leave the same bits, where the device promises bits at all.
  private func leavesSameBits(
    _ shape: LaunchShape, _ standard: LaunchShape, _ queue: CommandQueue
  ) throws -> Bool {
    guard device.sameBits.isYes else { return true }
    let agreement = Agreement(
      variant: variant, vectors: Agreement.Vectors(count: 100_003, steps: 3))
    let (a, b) = (
      try agreement.outcome(on: .openCL(queue, shape: shape)),
      try agreement.outcome(on: .openCL(queue, shape: standard))
    )
    return a.digest == b.digest && a.trespasses == 0
  }
}
#endif
