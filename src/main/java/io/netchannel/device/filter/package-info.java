/**
 * Decorators over {@link io.netchannel.device.Device}, each one small file: they make a device slow
 * ({@link io.netchannel.device.filter.DelayFilter}), failing ({@link
 * io.netchannel.device.filter.ErrorFilter}) or visible ({@link
 * io.netchannel.device.filter.TraceFilter}). {@code DeviceOpener} knows their names and how a
 * source text names them.
 *
 * <p>A filter keeps the contract of a device: each request is completed exactly once, also when it
 * is closed; closing it closes the device below after the last request has left it. What it does
 * not care for it passes on ({@link io.netchannel.device.ForwardingDevice}).
 */
package io.netchannel.device.filter;
