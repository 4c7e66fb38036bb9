// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";

/// @title A token of no worth for development chains: anyone may make some
contract TestCredit is ERC20Burnable {
    constructor() ERC20("InferNet test credit", "tINFER") {}

    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @title A token that cannot burn, as most stablecoins
contract PlainToken is ERC20 {
    constructor() ERC20("Plain", "PLAIN") {}

    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @title A token with 18 decimals
contract WrongDecimals is ERC20 {
    constructor() ERC20("Wrong", "WRONG") {}
}

/// @title A token that does what tokens should not
contract MaliciousToken is ERC20 {
    enum Trick {
        None,
        /// Keeps a hundredth of every transfer.
        Fee,
        /// Says that it has moved what it has not.
        Lie,
        /// Says no, without reverting.
        False,
        /// Calls `target` with `payload` from within a transfer.
        Reenter
    }

    Trick public trick;
    address public target;
    bytes public payload;
    bool public reentered;
    bytes public answer;

    constructor() ERC20("Malicious", "BAD") {}

    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function arm(Trick trick_, address target_, bytes calldata payload_) external {
        trick = trick_;
        target = target_;
        payload = payload_;
    }

    function approveAs(address spender, uint256 amount) external {
        _approve(address(this), spender, amount);
    }

    /// Lets the token itself be a user of the contract, so that its calls from within have money to steal.
    function run(address to, bytes calldata data) external {
        (bool done, bytes memory out) = to.call(data);
        if (!done) {
            assembly {
                revert(add(out, 32), mload(out))
            }
        }
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (trick == Trick.False) return false;
        if (trick == Trick.Lie) return true;
        return super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (trick == Trick.False) return false;
        if (trick == Trick.Lie) return true;
        return super.transferFrom(from, to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (trick == Trick.Fee && from != address(0) && to != address(0)) super._update(to, address(0), amount / 100);
        if (trick == Trick.Reenter && from != address(0)) {
            trick = Trick.None;
            (bool done, bytes memory out) = target.call(payload);
            reentered = done;
            answer = out;
        }
    }
}
