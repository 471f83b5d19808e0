package io.netchannel.cli;

/** Entry point of the {@code netchannel} command. */
public final class Main {
  private Main() {}

  public static void main(String[] arguments) {
    System.out.println("netchannel");
  }
}
