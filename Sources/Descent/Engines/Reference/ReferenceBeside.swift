/// Operations fused with the update, in plain Swift: gradient accumulation and parameter averaging
/// (EMA). The same for devices and for this processor: Kernels/beside.cl.
enum ReferenceBeside {
  /// A gradient and the sum of those before it, in the order in which they came.
  static func accumulated<T: BinaryFloatingPoint>(_ sum: T, _ gradient: T) -> T { sum + gradient }

  /// e ← e + (1 − d)(x − e): the average e of the parameters x follows them; `weight` is 1 − d.
  static func averaged<T: BinaryFloatingPoint>(_ average: T, _ x: T, _ weight: T) -> T {
    average + weight * (x - average)
  }
}
