/**
 * Decorators over {@link io.netchannel.device.usb.UsbDevice}, as those of {@code device.filter} are
 * over block devices: they make a device slow ({@link io.netchannel.device.usb.filter.UrbDelay}),
 * failing ({@link io.netchannel.device.usb.filter.UrbErrors}) or visible ({@link
 * io.netchannel.device.usb.filter.UrbTrace}).
 *
 * <p>A filter keeps the contract of a USB device: each URB completes once, never within submit or
 * unlink; those of one endpoint reach the device in their order; what is unplugged has ended before
 * the port's listener is told; closing it closes the device below.
 */
package io.netchannel.device.usb.filter;
