/**
 * Files that must be right in more than one place: durable ones, mapped ones, sockets that are
 * their owner's alone, checksums. Knows nothing of the product.
 *
 * <h2>What a crash leaves of a file that is replaced</h2>
 *
 * <pre>
 *   FILE.new: open, write, sync --- fails: FILE is the old one, whole       IOException
 *        |
 *   rename to FILE            --- fails: FILE is the old one or the new    UncertainFileException
 *   sync the directory        --- fails: the same; after a power cut, too  UncertainFileException
 *        |
 *   FILE is the new one, whole
 * </pre>
 *
 * After an {@link io.netchannel.files.UncertainFileException} nothing is believed that a later sync
 * says of the same file or of what was written before: a kernel reports a failed write once and
 * then calls the lost pages clean. What makes it certain again is to replace the file once more, as
 * that brings all of it to the storage anew and renames it over whichever of the two is there.
 *
 * <p>A private file has its mode from its first moment, and so has a socket.
 */
package io.netchannel.files;
