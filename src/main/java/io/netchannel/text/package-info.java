/**
 * Text that people wrote: files in UTF-8, paths, and sizes. What cannot be read as that is told in
 * words, with its place; nothing else of the product decodes such a file or makes a path of such a
 * text.
 */
package io.netchannel.text;
