/** What one sample came to. */
export interface Sample {
  readonly rate: number;
  readonly p50_us: number;
  readonly elapsed_ms: number;
}

export function takeOrders<Order>(
  carryOut: (order: Order) => Promise<Partial<Sample>>,
): Promise<void>;

export function timeCalls(
  call: () => Promise<unknown>,
  order: { readonly calls: number; readonly in_flight: number },
): Promise<Sample>;
